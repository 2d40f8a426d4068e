"""What programs and people ask of plays: a function here is a verb of every face, by the same name.

Whoever asks waits for nothing but what was asked for: a play that is to run is put on record, and a worker
takes it from there (docs/design/0020-the-queue.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from hero_logic.core.errors import IllegalMove, UsageError
from hero_logic.core.finding import PlayFilter
from hero_logic.core.lifecycle import MOVES, is_terminal
from hero_logic.core.policy import default
from hero_logic.core.records import Access, Play, PlayOrder
from hero_logic.service.document import state
from hero_logic.service.versions import as_ordered

if TYPE_CHECKING:
    from hero_logic.core.documents import PlayState
    from hero_logic.core.records import FlowVersion
    from hero_logic.service.retention import Pruned, Retention
    from hero_logic.service.session import Session
    from hero_logic.store.contract import Store

MAX_LINKS = 1000
_MAX_ASKED_BY = 200
_MAX_PAGE = 1000
_SETTLE_S = 1.0
"""How long who pushes an event to a play of this process waits until it can be read, too."""


class Wanted(msgspec.Struct, frozen=True):
    """How somebody wants a flow run, as it was said; None is for the default."""

    input_json: bytes = b"{}"
    """The input as a JSON object."""
    entry: str | None = None
    """Which flow of the source, where it has several."""
    timeout_s: float | None = None
    grace_s: float | None = None
    sandbox: str | None = None
    python: str | None = None


class Prepared(msgspec.Struct, frozen=True):
    """A flow that was read and checked: name, input, what it is granted, what it is to be run with."""

    flow: str
    input_json: str
    access: Access
    order: PlayOrder


Prepare = Callable[["FlowVersion", Wanted], Prepared]
"""Checks what is wanted against a version, and decides what it is granted (preparing.py).

Raises UsageError, where it cannot be run, and why: NotGranted, BadInput, NoEntry and others.
"""


class FoundPlays(msgspec.Struct, frozen=True):
    """Plays without what is heavy, the one created last first, and the cursor of the next page, or None."""

    plays: list[Play]
    next: str | None


class PlayLinks(msgspec.Struct, frozen=True):
    """Where a play comes from, and what came of it."""

    parent_play_sid: str
    parent_span_id: str
    children: list[Play]
    retry_of: str
    retries: list[Play]


class PlayVerbs:
    """What can be asked of plays, over one session; may be called from any thread.

    Args:
        session: entered.
        prepare: checks what is to be run.
        new_sid: names a new play.
        find_version: the version of a name that a caller gives: of a version itself, or of a flow.
        remove_files: given a sid, removes all files of the play.
    """

    def __init__(
        self,
        session: Session,
        *,
        prepare: Prepare,
        new_sid: Callable[[], str],
        remove_files: Callable[[str], None],
        find_version: Callable[[str], FlowVersion] | None = None,
    ) -> None:
        self._session = session
        self._store = session.store
        self._plays = session.plays
        self._prepare = prepare
        self._new_sid = new_sid
        self._remove_files = remove_files
        self._find_version = find_version or session.store.get_version

    # --- running -------------------------------------------------------------------------------------

    def play_run_async(
        self,
        flow_sid: str,
        input_data: dict[str, Any] | None = None,
        *,
        parent_play_sid: str = "",
        parent_span_id: str = "",
        wanted: Wanted | None = None,
        asked_by: str = "",
    ) -> str:
        """Have a flow run; the sid of its play, at once: it is on record, and waits for a worker.

        Args:
            flow_sid: a version, or what the flow library calls a flow.
            input_data: the input; it wins over that of ``wanted``.
            parent_play_sid: the play that asks.
            parent_span_id: where in that.
            wanted: how it is to be run.
            asked_by: who asks, in a few words.

        Raises:
            NotFound: there is no such flow, or no such parent.
            IllegalMove: so many plays wait for each other, up to the parent, that no more may.
            UsageError: it cannot be run so, and why.
        """
        version = self._find_version(flow_sid)
        if parent_play_sid:
            self._check_chain(parent_play_sid)
        return self.queue_version(
            version,
            _with_input(wanted or Wanted(), input_data),
            parent_play_sid=parent_play_sid,
            parent_span_id=parent_span_id,
            asked_by=asked_by,
        )

    def queue_version(
        self,
        version: FlowVersion,
        wanted: Wanted,
        *,
        retry_of: str = "",
        parent_play_sid: str = "",
        parent_span_id: str = "",
        asked_by: str = "",
    ) -> str:
        """The same for a source that may not be on record yet."""
        prepared = self._prepare(version, wanted)
        play = self._plays.create_waiting(
            self._new_sid(),
            version=version,
            flow=prepared.flow,
            input_json=prepared.input_json,
            access=prepared.access,
            order=prepared.order,
            retry_of=retry_of,
            parent_play_sid=parent_play_sid,
            parent_span_id=parent_span_id,
            asked_by=asked_by[:_MAX_ASKED_BY],
        )
        self._session.ears.bells.ring()
        return play.sid

    def play_start(
        self,
        flow_sid: str,
        input_data: dict[str, Any] | None = None,
        *,
        timeout_ms: float = 10_000.0,
        wanted: Wanted | None = None,
        asked_by: str = "",
    ) -> Play:
        """Have a flow run, and wait until it has begun; still ``pending`` where it has not within the time.

        0 waits for ever. Errors are those of :meth:`play_run_async`.
        """
        sid = self.play_run_async(flow_sid, input_data, wanted=wanted, asked_by=asked_by)
        self._session.news.wait(sid, lambda play: play.status != "pending", timeout_s=_seconds(timeout_ms))
        return self._store.get_play(sid)

    def play_wait(self, play_sid: str, *, timeout_ms: float = 0.0, parent_play_sid: str = "") -> Play:
        """The play once it has ended, or as it stands when the time is over; 0 waits for ever.

        ``parent_play_sid`` is the play that waits, where one does: it gives its place back until then.

        Raises:
            NotFound: there is no such play, or it was deleted meanwhile.
            IllegalMove: the play that waits does not run, or would wait for itself, or too many wait for each
                other.
        """
        sid = self._sid(play_sid)
        if not parent_play_sid:
            self._session.news.wait(sid, lambda play: False, timeout_s=_seconds(timeout_ms))
            return self._store.get_play(sid)
        self.begin_wait(parent_play_sid, sid)
        try:
            return self.play_wait(sid, timeout_ms=timeout_ms)
        finally:
            self.end_wait(parent_play_sid, sid)

    def _check_chain(self, parent_play_sid: str) -> None:
        """Refuse what its parent could not wait for: a flow that runs itself for ever would do so again."""
        most = default("waiting_chain")
        if self._store.wait_chain(parent_play_sid, limit=most) >= most:
            raise IllegalMove(
                f"the play {parent_play_sid} asks for no more plays: {most} plays wait already, each for the "
                "next one, up to it. A flow that runs itself needs an end."
            )

    def begin_wait(self, parent_play_sid: str, play_sid: str) -> None:
        """A play waits for another one, and its worker may run another one meanwhile.

        Errors are those of :meth:`play_wait`. Source: docs/design/0022-plays-that-wait-for-plays.md.
        """
        self._store.begin_wait(parent_play_sid, play_sid, max_chain=default("waiting_chain"))
        self._tell_workers()

    def end_wait(self, parent_play_sid: str, play_sid: str) -> None:
        """It waits no more, by one call."""
        self._store.end_wait(parent_play_sid, play_sid)
        self._tell_workers()

    def _tell_workers(self) -> None:
        """Have them look: one may be in this very process."""
        self._session.ears.wake()
        self._session.ears.bells.ring()

    def play_cancel(self, play_sid: str, *, asked_by: str = "somebody") -> Play:
        """Have a play ended, whoever runs it; as it stands then, without the heavy fields.

        One that waits is ended by this. One that runs gets SIGTERM from its runtime, and SIGKILL after its
        grace; :meth:`play_wait` waits for that.

        Raises:
            NotFound: there is no such play.
        """
        sid = self._sid(play_sid)
        runtime_sid = self._store.ask_cancel(
            sid, asked_by=asked_by[:_MAX_ASKED_BY], now_ms=self._session.now_ms()
        )
        if runtime_sid:
            # It may be a play of this very process.
            self._session.ears.wake()
            if self._session.runtimes.is_gone(runtime_sid):
                self._session.recover()
        self._session.ears.bells.ring()
        return self._store.brief_play(sid)

    def play_retry(self, play_sid: str, *, keeps_grants: bool = False, asked_by: str = "") -> str:
        """Have another play run the same version with the same input; its sid. The two are linked.

        Args:
            play_sid: a play, ended or not.
            keeps_grants: whether it is granted what the first one was, which is for its operator in person to
                say. Else what it is granted is decided anew.
            asked_by: who asks, in a few words.

        Raises:
            NotFound: there is no such play.
            IllegalMove: nobody ran it here, so nobody can run it again.
            UsageError: it cannot be run any more, and why.
        """
        play = self._plays.get(play_sid)
        version, order = self.order_of(play)
        if keeps_grants:
            order = msgspec.structs.replace(order, attempt=1)
            made = self._plays.create_again(self._new_sid(), play, order, asked_by=asked_by[:_MAX_ASKED_BY])
            self._session.ears.bells.ring()
            return made.sid
        return self.queue_version(
            version,
            Wanted(
                input_json=play.input_json.encode(),
                entry=order.function,
                timeout_s=order.timeout_s,
                grace_s=order.grace_s,
                sandbox=order.sandbox,
                python=order.python or None,
            ),
            retry_of=play.sid,
            parent_play_sid=play.parent_play_sid,
            parent_span_id=play.parent_span_id,
            asked_by=asked_by,
        )

    def order_of(self, play: Play) -> tuple[FlowVersion, PlayOrder]:
        """What a play was run with.

        Raises:
            IllegalMove: nobody ran it here.
        """
        found = self._store.read_order(play.sid)
        if found is None or not play.version_sid:
            raise IllegalMove(
                f"the play {play.sid} cannot be run again: it was recorded from a stream, or by a release "
                "that did not keep what a play is run with. Run its flow: hero-logic run FLOW.py"
            )
        return as_ordered(self._store.get_version(play.version_sid), found[0]), found[0]

    # --- reading -------------------------------------------------------------------------------------

    def play_status(self, play_sid: str) -> PlayState:
        """What becomes of a play, in few words.

        Raises:
            NotFound: there is no such play.
        """
        play = self._store.brief_play(self._sid(play_sid))
        return state(play)

    def play_get(self, play_sid: str) -> Play:
        """A play, whole but for its spans.

        Raises:
            NotFound: there is no such play.
        """
        return self._plays.get(play_sid)

    def play_list(
        self, wanted: PlayFilter | None = None, *, limit: int = 20, before: str | None = None
    ) -> FoundPlays:
        """A page of plays that are as wanted, the one created last first.

        Raises:
            NotFound: ``before``, the cursor of the page before, names no play.
            UsageError: a status that no play has, or a limit that no page has.
        """
        unknown = [status for status in (wanted.statuses if wanted else ()) if status not in MOVES]
        if unknown:
            raise UsageError(f"{unknown[0]!r} is no status of a play; those are {', '.join(MOVES)}.")
        if not 1 <= limit <= _MAX_PAGE:
            raise UsageError(f"a page has from 1 to {_MAX_PAGE} plays, and {limit} were asked for.")
        found = self._store.find_plays(wanted or PlayFilter(), limit=limit + 1, before=before)
        return FoundPlays(found[:limit], found[limit - 1].sid if len(found) > limit else None)

    def play_links(self, play_sid: str) -> PlayLinks:
        """Where a play comes from, and what came of it; the first thousand of each.

        Raises:
            NotFound: there is no such play.
        """
        return links_of(self._store, self._sid(play_sid))

    # --- writing -------------------------------------------------------------------------------------

    def span_push(self, play_sid: str, event_json: str | bytes, *, writer: str = "") -> None:
        """Take one event of a play that runs; it is on disk when this returns, and folded by who runs it.

        Args:
            play_sid: the play, whichever process runs it.
            event_json: one line of a stream.
            writer: who sends it: an event whose ``seq`` is not above that of one of its before is a repeat.

        Raises:
            NotFound: there is no such play.
            MalformedEvent: it is no event.
            IllegalMove: the play has not begun, has ended, or is about to; or it was granted variables, and
                another process runs it.
            InboxFull: too many wait for who runs it.
        """
        from hero_logic.service import inbox

        session = self._session
        play = self._store.brief_play(self._sid(play_sid))
        line = event_json.encode() if isinstance(event_json, str) else event_json
        is_here = play.runtime_sid == session.runtimes.own_sid
        if play.access.grants.get("env") and not is_terminal(play.status):
            # Their values are taken out before anything is on disk, by who has them.
            self._push_redacted(play, line, is_here=is_here)
            return
        inbox.push(self._store, play.sid, line, writer=writer, received_ms=session.now_ms())
        if is_here:
            inbox.take_in(self._store, session.ingest, play.sid)
            session.ingest.settle(play.sid, timeout_s=_SETTLE_S)
        else:
            session.ears.bells.ring()

    def _push_redacted(self, play: Play, line: bytes, *, is_here: bool) -> None:
        if not is_here or self._session.ingest.sink(play.sid) is None:
            raise IllegalMove(
                f"the play {play.sid} takes no events here: it was granted variables, whose values only the "
                "process that runs it can take out of them. Send them to its span socket, from in it."
            )
        self._session.ingest.apply_event_json(play.sid, line)

    def play_delete(self, play_sid: str) -> None:
        """Remove a play that has ended, with all that it left.

        Raises:
            NotFound: there is no such play.
            IllegalMove: it has not ended.
        """
        from hero_logic.service.retention import delete

        delete(self._store, self._sid(play_sid), remove_files=self._remove_files)
        self._session.ears.bells.ring()

    def play_prune(self, retention: Retention, *, is_dry: bool = False) -> Pruned:
        """Remove the oldest plays that have ended, as many as a retention does not want kept."""
        from hero_logic.service.retention import prune

        pruned = prune(
            self._store,
            retention,
            now_ms=self._session.now_ms(),
            remove_files=self._remove_files,
            is_dry=is_dry,
        )
        self._session.ears.bells.ring()
        return pruned

    def _sid(self, play_sid: str) -> str:
        """``last`` by its name."""
        return self._plays.get(play_sid).sid if play_sid == "last" else play_sid


def links_of(store: Store, sid: str) -> PlayLinks:
    """Where a play comes from, and what came of it, as a store has it.

    Raises:
        NotFound: there is no such play.
    """
    play = store.brief_play(sid)
    return PlayLinks(
        play.parent_play_sid,
        play.parent_span_id,
        store.child_plays(sid, limit=MAX_LINKS),
        play.retry_of,
        store.retries(sid, limit=MAX_LINKS),
    )


def _with_input(wanted: Wanted, input_data: dict[str, Any] | None) -> Wanted:
    if input_data is None:
        return wanted
    return msgspec.structs.replace(wanted, input_json=msgspec.json.encode(input_data))


def _seconds(timeout_ms: float) -> float | None:
    """What ``timeout_ms`` means: None for ever.

    >>> _seconds(0), _seconds(1500.0)
    (None, 1.5)
    """
    if not 0 <= timeout_ms < float("inf"):
        raise UsageError(f"timeout_ms is {timeout_ms}; it is a number of milliseconds, or 0 for ever.")
    return timeout_ms / 1000 if timeout_ms else None
