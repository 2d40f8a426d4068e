"""What a server tells of a play as it happens, in blocking calls: server-sent events, however often the
connection breaks.

Laws:

1. The id of the last event that came whole is where a new connection goes on: nothing is missed, and nothing
   comes twice.
2. A server that is not there is waited for, for so long; one that refuses is not.
3. Nobody waits longer than was said: :meth:`EventStream.take` gives what has come by then.

Source: docs/rpc.md, "Events"; https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING

import h11
import msgspec

from hero_logic.client.exchange import MAX_ANSWER_BYTES
from hero_logic.client.facts import PlayFactsRead, as_play, as_row
from hero_logic.client.remote import as_raised
from hero_logic.core.documents import ToldSpan
from hero_logic.core.errors import HeroLogicError, NotFound, ServerStopping, ServerUnreachable, TooMany
from hero_logic.core.records import Changes, Play, SpanRow

if TYPE_CHECKING:
    from hero_logic.client.carriers import Place

PATIENCE_S = 30.0
"""For so long a server that does not answer any more is asked again."""
_AGAIN_S = 0.25
_SILENCE_S = 45.0
"""Three times the comment of a server: a connection that is silent for so long leads nowhere."""
_READ_BYTES = 256 * 1024


class _Spans(msgspec.Struct):
    revision: int
    spans: list[ToldSpan]


class _Play(msgspec.Struct):
    revision: int
    play: PlayFactsRead


class _Note(msgspec.Struct):
    revision: int
    status: str = ""


class _Refusal(msgspec.Struct):
    code: str
    message: str


class _Refused(msgspec.Struct):
    error: _Refusal


class EventStream:
    """The changes of one play after a revision, until it has ended and all is told.

    Args:
        place: of the server.
        token: what it asks for; None for nothing.
        sid: the play's, and not ``last``.
        after: all up to it is known.
        known_logs: how many bytes of logs are known, by span id: of a span's logs what is new is told.
    """

    def __init__(
        self,
        place: Place,
        token: str | None,
        sid: str,
        *,
        after: int,
        known_logs: dict[str, int] | None = None,
    ) -> None:
        self.revision = after
        """All up to it was told."""
        self.is_over = False
        self._place = place
        self._token = token
        self._sid = sid
        self._known_logs = {} if known_logs is None else known_logs
        self._peer: socket.socket | None = None
        self._http = h11.Connection(h11.CLIENT)
        self._status = 0
        self._body = b""
        self._heard_s = time.monotonic()
        self._broken_since_s: float | None = None
        self._next_try_s = 0.0
        self._plays: list[Play] = []
        self._rows: list[SpanRow] = []

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def take(self, timeout_s: float) -> Changes | None:
        """What has changed; None where nothing has in this time, or the play is over.

        Raises:
            NotFound: there is no such play, or it was deleted.
            ServerRefused: the server does not tell.
            ServerUnreachable: it has not answered for :data:`PATIENCE_S`.
        """
        until_s = time.monotonic() + timeout_s
        while not (self._plays or self._rows or self.is_over):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return None
            if self._peer is None:
                self._connect(left_s)
            else:
                self._receive(left_s)
        if not (self._plays or self._rows):
            return None
        told = Changes(self.revision, self._plays, [(self._sid, row) for row in self._rows], is_all=False)
        self._plays, self._rows = [], []
        return told

    # --- the connection ----------------------------------------------------------------------------------

    def _connect(self, left_s: float) -> None:
        """Ask, or wait for the next time to ask."""
        now_s = time.monotonic()
        if now_s < self._next_try_s:
            time.sleep(min(left_s, self._next_try_s - now_s))
            return
        self._next_try_s = now_s + _AGAIN_S
        try:
            self._peer = self._place.open_socket()
            self._peer.sendall(self._request())
            self._heard_s = time.monotonic()
        except ServerUnreachable as error:
            self._be_patient(error)
        except OSError as error:
            self._be_patient(self._place.unreachable(error))

    def _request(self) -> bytes:
        self._http = h11.Connection(h11.CLIENT)
        self._status = 0
        self._body = b""
        headers = [
            ("Host", self._place.host),
            ("Accept", "text/event-stream"),
            ("Last-Event-ID", str(self.revision)),
        ]
        if self._token is not None:
            headers.append(("Authorization", f"Bearer {self._token}"))
        target = f"/plays/{self._sid}/events"
        sent = self._http.send(h11.Request(method="GET", target=target, headers=headers))
        return (sent or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    def _receive(self, left_s: float) -> None:
        assert self._peer is not None
        try:
            if not select.select([self._peer], [], [], left_s)[0]:
                if time.monotonic() - self._heard_s > _SILENCE_S:
                    self._be_patient(
                        ServerUnreachable(f"the server at {self._place.name} has become silent.")
                    )
                return
            data = self._peer.recv(_READ_BYTES)
        except OSError as error:
            self._be_patient(self._place.unreachable(error))
            return
        self._heard_s = time.monotonic()
        try:
            self._http.receive_data(data)
            self._read_http(is_at_end=not data)
        except h11.RemoteProtocolError:
            # Broken off in the middle: what had come whole is told, and the rest comes again.
            self._be_patient(ServerUnreachable(f"the server at {self._place.name} breaks off what it tells."))

    def _read_http(self, *, is_at_end: bool) -> None:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Response):
                self._status = event.status_code
                if self._status == 200:
                    self._broken_since_s = None
            elif isinstance(event, h11.Data):
                self._body += event.data
                self._check_size()
                if self._status == 200:
                    self._read_events()
                    if self._peer is None:
                        return
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                self._answered()
                return
            elif event in (h11.NEED_DATA, h11.PAUSED):
                if is_at_end:
                    self._be_patient(ServerUnreachable(f"the server at {self._place.name} has hung up."))
                return

    def _check_size(self) -> None:
        if len(self._body) > MAX_ANSWER_BYTES:
            self._hang_up()
            raise ServerUnreachable(
                f"what the server at {self._place.name} tells at a time is larger than "
                f"{MAX_ANSWER_BYTES:,} bytes."
            )

    def _answered(self) -> None:
        """The answer is over: the play is, or the server refuses, or it ends."""
        self._hang_up()
        if self._status == 204:
            self.is_over = True
            return
        if self._status == 200:
            if not self.is_over:
                self._be_patient(ServerUnreachable(f"the server at {self._place.name} has ended its stream."))
            return
        error = self._refusal()
        if isinstance(error, (ServerStopping, TooMany)):
            self._be_patient(error)
            return
        raise error

    def _refusal(self) -> HeroLogicError:
        try:
            said = msgspec.json.decode(self._body, type=_Refused).error
        except (msgspec.DecodeError, UnicodeError):
            return ServerUnreachable(
                f"what answers at {self._place.name} is no server of ours (HTTP {self._status})."
            )
        return as_raised(said.message, said.code)

    def _be_patient(self, error: HeroLogicError) -> None:
        """Try again, unless it was tried for too long."""
        self._hang_up()
        now_s = time.monotonic()
        if self._broken_since_s is None:
            self._broken_since_s = now_s
        if now_s - self._broken_since_s > PATIENCE_S:
            raise ServerUnreachable(
                f"{error} It was tried for {PATIENCE_S:g} s. The play {self._sid} may go on: "
                f"`hero-logic watch {self._sid}` shows it once the server is back."
            ) from error

    def _hang_up(self) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            peer.close()

    # --- the events ----------------------------------------------------------------------------------------

    def _read_events(self) -> None:
        """Take the events that are there whole."""
        *whole, self._body = self._body.split(b"\n\n")
        for text in whole:
            fields = dict(
                line.split(b": ", 1)
                for line in text.split(b"\n")
                if b": " in line and not line.startswith(b":")
            )
            if b"event" in fields:
                self._take_event(fields[b"event"], fields.get(b"data", b""))
            if self._peer is None or self.is_over:
                return

    def _take_event(self, name: bytes, data: bytes) -> None:
        try:
            if name == b"span":
                spans = msgspec.json.decode(data, type=_Spans)
                self._rows.extend(as_row(span, self._known_logs) for span in spans.spans)
                self.revision = spans.revision
            elif name == b"play":
                news = msgspec.json.decode(data, type=_Play)
                self._plays.append(as_play(news.play))
                self.revision = news.revision
            elif name in (b"reset", b"end"):
                self._take_note(name, msgspec.json.decode(data, type=_Note))
        except (msgspec.DecodeError, UnicodeError) as error:
            raise ServerUnreachable(
                f"the server at {self._place.name} tells what this release does not understand: {error}. "
                "Use the same release of hero-logic on both sides."
            ) from error

    def _take_note(self, name: bytes, note: _Note) -> None:
        if name == b"reset":
            # What was left out for our slowness lies in the store, from our revision on; and where the store
            # is another one, all of it is new.
            self.revision = 0 if note.revision < self.revision else self.revision
            self._next_try_s = 0.0
            self._hang_up()
            return
        self.revision = note.revision
        self.is_over = True
        if note.status == "deleted":
            raise NotFound(f"the play {self._sid} was deleted.")
