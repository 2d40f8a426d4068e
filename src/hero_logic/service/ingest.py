"""The one door for events: folded, written, then shown.

A span socket, a pushed event, the import of a file and recovery all come through here. One thread folds
and writes for all plays: what comes while it writes becomes the next transaction, so that an idle play is
written at once and a busy one in large batches. Its queue is bounded; who writes into a full one waits,
and so does, through the socket, the play.

A store that cannot be written (locked by another process, a full disk) is tried again until the play has
ended: nothing is lost while there is somebody to wait. What shows the events (a face) can stop neither this
thread nor the play: where it fails, it is shown nothing more.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable
from threading import Condition, Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from hero_logic.core.errors import IllegalMove, MalformedEvent, StoreError
from hero_logic.core.fold import Batch, FoldLimits, SpanTree
from hero_logic.core.lifecycle import is_terminal
from hero_logic.core.records import SpanDelta
from hero_logic.core.wire import decode_line
from hero_logic.store.contract import Store

if TYPE_CHECKING:
    from hero_logic.core.redaction import Redactor

# A store that is locked for as long as we wait for it (30 s) must not hold up a play that says much: this is
# 150,000 spans, a few hundred MB once they are decoded.
_MAX_QUEUED_BYTES = 64 * 1024 * 1024
_MAX_BATCH_BYTES = 2 * 1024 * 1024
_BATCH_OVERHEAD_BYTES = 1000
_TELL_AGAIN_S = 30.0
_MAX_CLOSED_AT_ONCE = 5_000
_RETRY_S = 0.1

OnCommit = Callable[[str, SpanDelta], None]
OnTrouble = Callable[[str], None]


def _ignore(*_: object) -> None:
    return None


class PlaySink:
    """Takes the events of one play; see :meth:`Ingest.open`."""

    def __init__(self, ingest: Ingest, sid: str, tree: SpanTree, redactor: Redactor | None) -> None:
        self.sid = sid
        self.tree = tree
        self.is_ending = False
        self.is_awaited = False
        self.failure: StoreError | None = None
        self._ingest = ingest
        self._redactor = redactor

    @property
    def is_given_up(self) -> bool:
        """Whether the play has ended and its events cannot be written: what still comes is let go."""
        return self.is_ending and self.failure is not None

    def write(self, batch: Batch) -> None:
        """Queue a batch; waits where the queue is full."""
        if self._redactor is not None:
            batch.events = [self._redactor.event(event) for event in batch.events]
        self._ingest.queue(self, batch)

    def disconnected(self, connection: int) -> None:
        """A connection has ended, after all its batches."""
        self._ingest.queue(self, connection)


class Ingest:
    """Writes the events of all plays of this process; a context manager that ends its thread.

    ``on_commit`` is called after each transaction with what it changed, by the thread that wrote it;
    ``on_trouble`` with a sentence where something has to wait or is odd. Both are to be set before a play
    is opened.
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
        self.on_commit: OnCommit = _ignore
        self.on_trouble: OnTrouble = _ignore
        self._items: deque[tuple[PlaySink, Batch | int | Event]] = deque()
        self._queued_bytes = 0
        self._changed = Condition()
        self._is_ending = False
        self._sinks: dict[str, PlaySink] = {}
        self._broken: BaseException | None = None
        self._pause = Event()
        self._told = ""
        self._told_at_s = 0.0
        self._thread = Thread(target=self._run, name="ingest", daemon=True)
        self._thread.start()

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_ending = True
            for sink in self._sinks.values():
                sink.is_ending = True
            self._changed.notify_all()
        self._thread.join()

    def open(self, sid: str, *, redactor: Redactor | None = None) -> PlaySink:
        """Where the events of a play go from now on.

        Raises:
            NotFound: there is no such play.
        """
        sink = PlaySink(self, sid, self._tree(sid), redactor)
        self._sinks[sid] = sink
        return sink

    def apply_event_json(self, sid: str, line: bytes) -> None:
        """Take one event of a play, as one line of its stream.

        Raises:
            MalformedEvent: the line is not an event; nothing changed.
            NotFound: there is no such play.
            IllegalMove: the play has ended.
        """
        event = decode_line(line)
        if event is None:
            raise MalformedEvent(
                "a blank line is no event; send one JSON object, as docs/protocol.md has them."
            )
        batch = Batch([event], received_ms=self._now_ms())
        sink = self._sinks.get(sid)
        if sink is not None:
            sink.write(batch)
            self.flush(sid)
            return
        status = self._store.get_play(sid).status
        if is_terminal(status):
            raise IllegalMove(f"the play {sid} has ended ({status}) and takes no more events.")
        tree = self._tree(sid)
        tree.apply(batch)
        self._write(sid, tree)

    def hurry(self, sid: str) -> None:
        """The play has ended: a write that fails is not tried again. May be called from a signal handler."""
        sink = self._sinks.get(sid)
        if sink is not None:
            sink.is_ending = True

    def flush(self, sid: str) -> None:
        """Wait until all that was queued of a play is on disk.

        Raises:
            StoreError: it could not be written.
        """
        done = Event()
        sink = self._sinks[sid]
        sink.is_awaited = True
        self.queue(sink, done)
        done.wait()
        sink.is_awaited = False
        self._check_thread()
        failure = sink.failure
        if failure is not None:
            if not sink.is_ending:
                sink.failure = None
            raise failure

    def close(self, sid: str, *, status: str, end_ms: float) -> None:
        """Write what is left of a play, and end the spans that are still open (rule 13).

        Raises:
            StoreError: it could not be written.
        """
        if sid in self._sinks:
            self.hurry(sid)
            self.flush(sid)
            tree = self._sinks.pop(sid).tree
        else:
            tree = self._tree(sid)
        while rows := self._store.load_open_rows(sid, limit=_MAX_CLOSED_AT_ONCE):
            tree.close(rows, status=status, end_ms=end_ms)
            self._write(sid, tree, closing=True)

    def queue(self, sink: PlaySink, item: Batch | int | Event) -> None:
        """Give the thread something to do; waits where too much waits already."""
        weight = _weight(item)
        with self._changed:
            while self._queued_bytes > _MAX_QUEUED_BYTES and weight and self._broken is None:
                self._changed.wait()
            self._check_thread()
            self._items.append((sink, item))
            self._queued_bytes += weight
            self._changed.notify_all()

    def _check_thread(self) -> None:
        if self._broken is not None:
            raise StoreError(
                f"the thread that records has failed: {self._broken!r}. This is a bug; please report it."
            ) from self._broken

    def _tree(self, sid: str) -> SpanTree:
        return SpanTree(
            self._store.load_fold_state(sid),
            load=lambda span_ids: self._store.load_rows(sid, span_ids),
            limits=self._limits,
        )

    def _run(self) -> None:
        # A signal that the kernel gives to this thread would not wake the one that acts on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        while True:
            with self._changed:
                while not self._items and not self._is_ending:
                    self._changed.wait()
                if not self._items:
                    return
                items = self._take()
                self._changed.notify_all()
            try:
                self._fold_and_write(items)
            except BaseException as error:  # noqa: BLE001  # raised again in every thread that asks something of us
                self._break(error, items)
                return

    def _break(self, error: BaseException, items: list[tuple[PlaySink, Batch | int | Event]]) -> None:
        """Let nobody wait for a thread that is no more."""
        with self._changed:
            self._broken = error
            for _, item in (*items, *self._items):
                if isinstance(item, Event):
                    item.set()
            self._changed.notify_all()

    def _take(self) -> list[tuple[PlaySink, Batch | int | Event]]:
        items = []
        taken_bytes = 0
        while self._items and taken_bytes < _MAX_BATCH_BYTES:
            sink, item = self._items.popleft()
            taken_bytes += _weight(item)
            items.append((sink, item))
        self._queued_bytes -= taken_bytes
        return items

    def _fold_and_write(self, items: list[tuple[PlaySink, Batch | int | Event]]) -> None:
        touched: dict[str, PlaySink] = {}
        waiting: list[Event] = []
        for sink, item in items:
            touched[sink.sid] = sink
            if isinstance(item, Batch):
                if not sink.is_given_up:
                    self._fold(sink, item)
            elif isinstance(item, int):
                sink.tree.disconnected(item)
            else:
                waiting.append(item)
        for sink in touched.values():
            self._write_until_done(sink)
        for event in waiting:
            event.set()

    def _fold(self, sink: PlaySink, batch: Batch) -> None:
        """Fold a batch; reading back a row may meet a store that is locked, and is tried again."""
        while True:
            is_last = sink.is_ending
            try:
                sink.tree.apply(batch)
                break
            except StoreError as error:
                if self._has_failed(sink, error, is_last=is_last):
                    return
        for protocol in sink.tree.foreign_protocols:
            self._tell(f"a writer of the play {sink.sid} speaks protocol {protocol}; it is read as version 1")
        sink.tree.foreign_protocols.clear()

    def _write_until_done(self, sink: PlaySink) -> None:
        while not sink.is_given_up:
            # Asked before the try: who began to wait after it began is owed another one.
            is_last = sink.is_ending or sink.is_awaited
            try:
                self._write(sink.sid, sink.tree)
            except StoreError as error:
                if self._has_failed(sink, error, is_last=is_last):
                    return
            else:
                sink.failure = None
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

    def _show(self, sid: str, delta: SpanDelta) -> None:
        try:
            self.on_commit(sid, delta)
        except Exception as error:  # noqa: BLE001  # a face's trouble is its own: the play goes on, recorded
            self.on_commit = _ignore
            self._tell(f"what shows the play {sid} has failed, and shows no more: {error!r}")

    def _write(self, sid: str, tree: SpanTree, *, closing: bool = False) -> None:
        delta = tree.delta()
        if delta is None:
            return
        self._store.write_spans(sid, delta, closing=closing)
        self._show(sid, delta)
        tree.committed()


def _weight(item: Batch | int | Event) -> int:
    """How many bytes of the queue's room something takes; what somebody waits for takes none."""
    if isinstance(item, Batch):
        return item.size_bytes + _BATCH_OVERHEAD_BYTES
    return 1 if isinstance(item, int) else 0
