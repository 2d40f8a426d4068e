"""The one door for events: decoded, folded, written, then shown.

A span socket, a pushed event, the import of a file, a spool and recovery all come through here. One thread
decodes, folds and writes for all plays of this process:

1. What came of all plays is written in one transaction: at once where the thread is idle; where it is busy,
   every 20 ms or at 5,000 rows; in between as often as leaves the thread four fifths of its time.
2. Plays take turns by the time that they cost, so that one that sends what is slow to read slows down
   nobody but itself.
3. Its queue is bounded in bytes, for each play and for all. A sink that is full says so; who reads a socket
   stops reading that play's, and so holds up, through the kernel, the play.
4. A store that cannot be written (locked by another process, a full disk) is tried again until the play has
   ended: nothing is lost while there is somebody to wait. A play that the store refuses (it has ended, it was
   deleted) is given up alone.

What shows the events can stop neither this thread nor the play: see service/feed.py.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING

from hero_logic.core.errors import HeroLogicError, IllegalMove, MalformedEvent, StoreError, StoreLocked
from hero_logic.core.fold import Batch, FoldLimits, SpanTree, TooMuchRecalled
from hero_logic.core.lifecycle import is_terminal
from hero_logic.core.lines import Chunk
from hero_logic.core.wire import BadLine, decode_line, decode_lines
from hero_logic.service.turns import Item, Lane, Turns
from hero_logic.store.contract import Store

if TYPE_CHECKING:
    from hero_logic.core.redaction import Redactor

_BUSY_S = 0.020
_REST_FACTOR = 5.0
_TURN_ROWS = 5_000
_TURN_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 4 * 1024
_TELL_AGAIN_S = 30.0
_MAX_CLOSED_AT_ONCE = 5_000
_MAX_CLOSED_BYTES = 1024 * 1024
_RETRY_S = 0.1
_OVERSIZE = BadLine("a line that is too long", "")

OnTrouble = Callable[[str], None]
OnBadLine = Callable[[BadLine], None]


def _ignore(*_: object) -> None:
    return None


class PlaySink(Lane):
    """Takes the stream of one play; see :meth:`Ingest.open`.

    ``on_room`` is called, by the thread that writes, once a sink that was full has room again.
    """

    def __init__(
        self,
        turns: Turns,
        sid: str,
        tree: SpanTree,
        *,
        redactor: Redactor | None,
        on_bad_line: OnBadLine,
    ) -> None:
        super().__init__(turns)
        self.sid = sid
        self.tree = tree
        self.redactor = redactor
        self._on_bad_line = on_bad_line
        self.is_ending = False
        self.is_awaited = False
        self.is_heavy = False
        """Whether its spans hold so much text that few of them may be read back at a time."""
        self.failure: HeroLogicError | None = None
        self.pushing = Lock()
        """Held by who queues events that were pushed: two who did so at once would queue them twice."""
        self.pushed_position = 0
        """Of the last one that was queued."""

    def write(self, chunk: Chunk) -> bool:
        """Queue whole lines, at once; False where there is no room for more until ``on_room`` is called."""
        return self.put(chunk)

    def disconnected(self, source: str) -> None:
        """A source has ended, after all its chunks."""
        self.put(source)

    def tell_bad_lines(self, bad_lines: list[BadLine]) -> None:
        """Tell of lines that were not kept; who fails to hear of it is told no more."""
        try:
            for bad_line in bad_lines:
                self._on_bad_line(bad_line)
        except Exception:  # noqa: BLE001  # a face's trouble is its own: the play goes on, recorded
            self._on_bad_line = _ignore

    @property
    def is_given_up(self) -> bool:
        """Whether what still comes is let go: it cannot be written and is not tried again."""
        failure = self.failure
        return failure is not None and (self.is_ending or not isinstance(failure, StoreError))


class Ingest:
    """Writes the events of all plays of this process; a context manager that ends its thread.

    ``on_trouble`` is called with a sentence where something has to wait or is odd; set it before a play is
    opened.
    """

    def __init__(
        self,
        store: Store,
        *,
        now_ms: Callable[[], float],
        limits: FoldLimits | None = None,
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._limits = limits
        self.on_trouble: OnTrouble = _ignore
        self._turns = Turns()
        self._sinks: dict[str, PlaySink] = {}
        self._pause = Event()
        self._rests_until_s = 0.0
        self._told = ""
        self._told_at_s = 0.0
        self._thread = Thread(target=self._run, name="ingest", daemon=True)
        self._thread.start()

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, *_: object) -> None:
        for sink in list(self._sinks.values()):
            sink.is_ending = True
        self._turns.end()
        self._thread.join()

    def open(
        self, sid: str, *, redactor: Redactor | None = None, on_bad_line: OnBadLine | None = None
    ) -> PlaySink:
        """Where the stream of a play goes from now on.

        Args:
            sid: the play's.
            redactor: takes out what nobody may read, before anything is folded.
            on_bad_line: called, by the thread that writes, for each line that was not kept.

        Raises:
            NotFound: there is no such play.
        """
        sink = PlaySink(
            self._turns, sid, self._tree(sid), redactor=redactor, on_bad_line=on_bad_line or _ignore
        )
        self._sinks[sid] = sink
        return sink

    def give_up(self, sid: str) -> None:
        """Take nothing more of a play; what is not written yet is not tried again."""
        self.hurry(sid)
        self._sinks.pop(sid, None)

    def sink(self, sid: str) -> PlaySink | None:
        """Where the stream of a play goes, if it is open."""
        return self._sinks.get(sid)

    def apply_event_json(self, sid: str, line: bytes) -> None:
        """Take one event of a play, as one line of its stream; it is on disk when this returns.

        Raises:
            MalformedEvent: the line is not an event; nothing changed.
            NotFound: there is no such play.
            IllegalMove: the play has ended.
            StoreError: it could not be written.
        """
        if decode_line(line) is None:
            raise MalformedEvent(
                "a blank line is no event; send one JSON object, as docs/protocol.md has them."
            )
        is_open = sid in self._sinks
        if not is_open:
            status = self._store.get_play(sid).status
            if is_terminal(status):
                raise IllegalMove(f"the play {sid} has ended ({status}) and takes no more events.")
            self.open(sid)
        self._sinks[sid].write(Chunk(line + b"\n", source="", position=0, received_ms=self._now_ms()))
        try:
            self.flush(sid)
        finally:
            if not is_open:
                del self._sinks[sid]

    def hurry(self, sid: str) -> None:
        """The play has ended: a write that fails is not tried again. May be called from a signal handler."""
        sink = self._sinks.get(sid)
        if sink is not None:
            sink.is_ending = True

    def flush(self, sid: str) -> None:
        """Wait until all that was queued of a play is on disk.

        Raises:
            StoreError: it could not be written.
            NotFound: the play was deleted meanwhile.
            IllegalMove: the play was ended meanwhile, by another process.
        """
        done = Event()
        sink = self._sinks[sid]
        sink.is_awaited = True
        sink.put(done)
        done.wait()
        sink.is_awaited = False
        self._turns.check()
        failure = sink.failure
        if failure is not None:
            if not sink.is_given_up:
                sink.failure = None
            raise failure

    def settle(self, sid: str, *, timeout_s: float) -> None:
        """Wait, at most so long, until all that was queued of a play is on disk, or cannot be written."""
        sink = self._sinks.get(sid)
        if sink is None:
            return
        done = Event()
        sink.put(done)
        done.wait(timeout_s)

    def close(self, sid: str, *, status: str, end_ms: float) -> None:
        """Write what is left of a play, and end the spans that are still open (rule 13).

        Raises:
            StoreError: it could not be written.
        """
        tree = self.let_go(sid)
        while self._close_some(sid, tree, status, end_ms):
            pass

    def let_go(self, sid: str) -> SpanTree:
        """Write what is left of a play, and take nothing more of it; its tree.

        Raises:
            StoreError: it could not be written.
        """
        if sid not in self._sinks:
            return self._tree(sid)
        self.hurry(sid)
        sink = self._sinks[sid]
        try:
            self.flush(sid)
        finally:
            # Where that failed, who tries again begins with what is on disk: this one takes nothing any more.
            self._sinks.pop(sid, None)
        return sink.tree

    def close_some(self, sid: str, *, status: str, end_ms: float) -> bool:
        """End a batch of the spans that are open of a play that has ended; False where none was.

        Raises:
            StoreError: it could not be written.
        """
        return self._close_some(sid, self._tree(sid), status, end_ms)

    def _close_some(self, sid: str, tree: SpanTree, status: str, end_ms: float) -> bool:
        rows = self._store.load_open_rows(sid, limit=_MAX_CLOSED_AT_ONCE, max_bytes=_MAX_CLOSED_BYTES)
        if not rows:
            return False
        tree.close(rows, status=status, end_ms=end_ms)
        delta = tree.delta()
        assert delta is not None, "rows were closed"
        self._store.write_spans({sid: delta}, closing=True)
        tree.committed()
        return True

    def _tree(self, sid: str) -> SpanTree:
        return SpanTree(
            self._store.load_fold_state(sid),
            load=lambda span_ids, max_bytes: self._store.load_rows(sid, span_ids, max_bytes=max_bytes),
            load_seqs=lambda writers: self._store.load_seqs(sid, writers),
            limits=self._limits,
        )

    # --- the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        # A signal that the kernel gives to this thread would not wake the one that acts on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        waiting: list[Event] = []
        try:
            while self._turns.wait_for_work(self._rests_until_s):
                began_s = monotonic()
                self._turn(began_s + _BUSY_S, waiting)
                self._rests_until_s = began_s + min(_BUSY_S, _REST_FACTOR * (monotonic() - began_s))
        except BaseException as error:  # noqa: BLE001  # raised again in every thread that asks something of us
            self._turns.fail(error)
            for event in waiting:
                event.set()

    def _turn(self, until_s: float, waiting: list[Event]) -> None:
        """Fold what there is, as much as one transaction should hold, and write it."""
        touched: dict[str, PlaySink] = {}
        while (taken := self._turns.take()) is not None:
            began_s = monotonic()
            sink, item = taken
            assert isinstance(sink, PlaySink), "all lanes are made by open()"
            touched[sink.sid] = sink
            self._work_off(sink, item, touched, waiting)
            now_s = monotonic()
            self._turns.charge(sink, now_s - began_s)
            if now_s >= until_s or _is_enough(touched):
                break
        self._write(touched)
        for event in waiting:
            event.set()
        waiting.clear()

    def _work_off(
        self, sink: PlaySink, item: Item, touched: dict[str, PlaySink], waiting: list[Event]
    ) -> None:
        if isinstance(item, Chunk):
            if not sink.is_given_up:
                self._fold(sink, item, touched)
        elif isinstance(item, str):
            sink.tree.disconnected(item)
        else:
            waiting.append(item)

    def _fold(self, sink: PlaySink, chunk: Chunk, touched: dict[str, PlaySink]) -> None:
        """Fold a chunk; in pieces, and as several transactions, where it touches very much."""
        pieces = _pieces(chunk) if sink.is_heavy else [chunk]
        for piece in pieces:
            try:
                self._apply(sink, _decode(sink, piece))
            except TooMuchRecalled:
                sink.is_heavy = True
                return self._fold(sink, chunk, touched)
            if _is_enough(touched):
                self._write(touched)
        for protocol in sink.tree.foreign_protocols:
            self._tell(f"a writer of the play {sink.sid} speaks protocol {protocol}; it is read as version 1")
        sink.tree.foreign_protocols.clear()
        return None

    def _apply(self, sink: PlaySink, batch: Batch) -> None:
        """Fold a batch; reading back a row may meet a store that is locked, and is tried again."""
        while not sink.is_given_up:
            is_last = sink.is_ending
            try:
                return sink.tree.apply(batch, is_smallest=sink.is_heavy)
            except StoreError as error:
                if self._has_failed(sink, error, is_last=is_last):
                    return None
        return None

    def _write(self, sinks: dict[str, PlaySink]) -> None:
        """Write what is pending of some plays in one transaction; each alone where that is refused."""
        began_s = monotonic()
        deltas = {
            sid: delta
            for sid, sink in sinks.items()
            if not sink.is_given_up and (delta := sink.tree.delta()) is not None
        }
        if len(deltas) > 1:
            try:
                self._store.write_spans(deltas)
            except HeroLogicError as error:
                if isinstance(error, StoreLocked):
                    self._tell(f"the spans of {len(deltas)} plays wait: {error}")
            else:
                for sid in deltas:
                    self._committed(sinks[sid], (monotonic() - began_s) / len(deltas))
                return
        for sid in deltas:
            self._write_until_done(sinks[sid])
            self._turns.charge(sinks[sid], monotonic() - began_s)

    def _committed(self, sink: PlaySink, spent_s: float = 0.0) -> None:
        sink.tree.committed()
        sink.failure = None
        self._turns.charge(sink, spent_s)

    def _write_until_done(self, sink: PlaySink) -> None:
        while not sink.is_given_up:
            # Asked before the try: who began to wait after it began is owed another one.
            is_last = sink.is_ending or sink.is_awaited
            delta = sink.tree.delta()
            if delta is None:
                return
            try:
                self._store.write_spans({sink.sid: delta})
            except StoreError as error:
                if self._has_failed(sink, error, is_last=is_last):
                    return
            except HeroLogicError as error:
                sink.failure = error
                self._tell(f"the spans of the play {sink.sid} are not kept any more: {error}")
            else:
                self._committed(sink)
                return

    def _has_failed(self, sink: PlaySink, error: StoreError, *, is_last: bool) -> bool:
        """Tell of a failure; keep it if that was the last try, else wait a little for the next one."""
        self._tell(f"the spans of the play {sink.sid} wait: {error}")
        if is_last:
            sink.failure = error
            return True
        self._pause.wait(_RETRY_S)
        return False

    def _tell(self, text: str) -> None:
        """Say it; the same again only after a while."""
        now_s = monotonic()
        if text == self._told and now_s < self._told_at_s + _TELL_AGAIN_S:
            return
        self._told, self._told_at_s = text, now_s
        try:
            self.on_trouble(text)
        except Exception:  # noqa: BLE001  # nobody is left who could be told
            self.on_trouble = _ignore


def _is_enough(sinks: dict[str, PlaySink]) -> bool:
    """Whether one transaction should hold no more than is pending."""
    pending_rows = sum(sink.tree.pending_rows for sink in sinks.values())
    return pending_rows >= _TURN_ROWS or sum(s.tree.pending_bytes for s in sinks.values()) >= _TURN_BYTES


def _pieces(chunk: Chunk) -> list[Chunk]:
    """A chunk as several small ones, each with its own position."""
    data = chunk.data
    if chunk.oversize or len(data) <= _PIECE_BYTES:
        # Where a line was discarded, nobody knows where in the source the others lie.
        return [chunk]
    pieces = []
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _PIECE_BYTES) + 1 or len(data)
        position = chunk.position - (len(data) - end)
        pieces.append(
            Chunk(data[start:end], source=chunk.source, position=position, received_ms=chunk.received_ms)
        )
        start = end
    return pieces


def _decode(sink: PlaySink, chunk: Chunk) -> Batch:
    """The events of a chunk, free of what nobody may read; what is no event is told."""
    decoded = decode_lines(chunk.data)
    if decoded.bad_lines or chunk.oversize:
        sink.tell_bad_lines([*decoded.bad_lines, *[_OVERSIZE] * chunk.oversize])
    events = decoded.events
    if sink.redactor is not None:
        events = [sink.redactor.event(event) for event in events]
    return Batch(
        events,
        received_ms=chunk.received_ms,
        source=chunk.source,
        position=chunk.position,
        malformed=len(decoded.bad_lines),
        oversize=chunk.oversize,
        size_bytes=len(chunk.data),
    )
