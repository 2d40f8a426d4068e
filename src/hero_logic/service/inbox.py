"""Events that were pushed to a play: kept in the store, folded by the runtime that has it, each once.

Laws:

1. Who pushes is answered once the event is on disk; whoever runs the play hears of it by its bell.
2. An event leaves the store in the transaction that writes what came of it (store/queue_contract.py). What
   was queued and not written when a runtime was killed is there for whoever ends its play.
3. They are folded in the order in which they came, by the one door, between what the play sends itself.
4. The end of a play begins with the closing of its inbox: nothing that was acknowledged is left out.

Source: docs/design/0023-events-for-plays-of-other-processes.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hero_logic.core.errors import MalformedEvent
from hero_logic.core.policy import default
from hero_logic.core.records import PUSHED, PUSHED_BY
from hero_logic.core.wire import PROTOCOL_VERSION, decode_line

if TYPE_CHECKING:
    from hero_logic.service.ingest import Ingest
    from hero_logic.store.contract import Store


def push(store: Store, sid: str, line: bytes, *, writer: str, received_ms: float) -> None:
    """Keep one event for the runtime of its play; it is on disk when this returns.

    Args:
        store: where the play is.
        sid: the play's.
        line: one line of a stream, without its newline.
        writer: who sends it; an event whose ``seq`` is not above that of one of its before is a repeat. ""
            for who does not say: then a hello that was pushed says it for what comes after.
        received_ms: the time of receipt.

    Raises:
        NotFound: there is no such play.
        MalformedEvent: the line is no event, or too long for one.
        IllegalMove: the play has not begun, has ended, or is about to.
        InboxFull: too many wait.
    """
    check_event(line)
    hello = b""
    if writer:
        hello = msgspec.json.encode({"type": "hello", "protocol": PROTOCOL_VERSION, "writer": writer}) + b"\n"
    store.push_event(
        sid,
        hello + line + b"\n",
        source=PUSHED_BY if writer else PUSHED,
        received_ms=received_ms,
        max_events=default("pushed_events"),
        max_bytes=default("pushed_bytes"),
    )


def check_event(line: bytes) -> None:
    """Raise MalformedEvent unless it is one event, of no more bytes than a line may have."""
    max_bytes = default("line_bytes")
    if len(line) > max_bytes:
        raise MalformedEvent(f"the event has {len(line):,} bytes, and a line may have {max_bytes:,}.")
    if b"\n" in line:
        raise MalformedEvent("an event is one line, and these are several. Push them one by one.")
    if decode_line(line) is None:
        raise MalformedEvent("a blank line is no event; send one JSON object, as docs/protocol.md has them.")


def take_in(store: Store, ingest: Ingest, sid: str) -> None:
    """Queue what was pushed to a play whose stream is open here; of another play nothing is done.

    Raises:
        StoreError: it cannot be read; nothing is lost.
    """
    sink = ingest.sink(sid)
    if sink is None:
        return
    with sink.pushing:
        for chunk in store.pushed_events(sid, after=sink.pushed_position):
            # It takes them though it may be full: so few wait in the store, each until it is written.
            sink.write(chunk)
            sink.pushed_position = chunk.position


def take_in_last(store: Store, ingest: Ingest, sid: str) -> None:
    """The end of a play begins: nothing more is pushed to it, and what was is queued.

    Raises:
        StoreError: it cannot be written or read; it can be tried again.
    """
    if not store.close_inbox(sid):
        return
    if ingest.sink(sid) is None:
        ingest.open(sid)
    take_in(store, ingest, sid)
