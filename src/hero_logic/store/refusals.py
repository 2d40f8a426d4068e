"""What every store refuses, in the same words."""

from __future__ import annotations

from hero_logic.core.errors import FlowInUse, IllegalMove, InboxFull, NotFound, StoreError
from hero_logic.core.lifecycle import TERMINAL, is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.core.records import PlayEnd, SpanRow


def no_such_play(sid: str) -> NotFound:
    """For a sid that no play has."""
    return NotFound(f"there is no play {sid!r}; `hero-logic ls` lists those there are.")


def no_such_version(version_sid: str) -> NotFound:
    """For a sid that no version has."""
    return NotFound(f"there is no version {version_sid!r}; `hero-logic show` says which one a play ran.")


def no_such_flow(flow: str) -> NotFound:
    """For a name or a sid that no published flow has."""
    return NotFound(
        f"there is no flow {flow!r:.200} in the library; `hero-logic flows ls` lists those there are."
    )


def flow_in_use(name: str) -> FlowInUse:
    """For a flow that is to be deleted while plays of its versions are on record."""
    return FlowInUse(
        f"plays on record ran versions of the flow {name!r}; it was not deleted. Archive it "
        f"(`hero-logic flows rm --archive`): then nothing finds or runs it, and it can be deleted."
    )


def is_known(sid: str) -> StoreError:
    """For a new play with the sid of another."""
    return StoreError(f"there is a play {sid!r} already; nothing was recorded. Give the new one another sid.")


def has_ended(sid: str, status: str) -> IllegalMove:
    """For spans of a play that is over."""
    return IllegalMove(
        f"the play {sid!r} has ended ({status}); no spans are added to it. Record them in a new play."
    )


def not_ended(sid: str, status: str) -> IllegalMove:
    """For a play that is to go and has not ended."""
    return IllegalMove(
        f"the play {sid!r} is {status}; only a play that has ended can be removed. "
        f"End it first: hero-logic cancel {sid}"
    )


def check_takes_pushed(sid: str, status: str, *, is_open: bool) -> None:
    """Raise IllegalMove where nothing may be pushed to a play as it stands."""
    if is_terminal(status):
        raise IllegalMove(f"the play {sid!r} has ended ({status}) and takes no more events.")
    if status != "running":
        raise IllegalMove(
            f"the play {sid!r} is {status} and takes no events yet. Push them once it has begun."
        )
    if not is_open:
        raise IllegalMove(f"the play {sid!r} is about to end and takes no more events.")


def check_room(sid: str, events: int, size_bytes: int, *, max_events: int, max_bytes: int) -> None:
    """Raise InboxFull where so many events, or bytes of them, may not wait for a play."""
    if events > max_events or size_bytes > max_bytes:
        raise InboxFull(
            f"the event for the play {sid!r} was not taken: with it {events:,} events of {size_bytes:,} "
            f"bytes would wait for the runtime of the play, and at most {max_events:,} of {max_bytes:,} "
            "may. Send it again in a moment."
        )


def check_wait(
    parent_sid: str, status: str, child_sid: str, *, is_above: bool, chain: int, max_chain: int
) -> None:
    """Raise IllegalMove where a play may not wait for another one."""
    if status != "running":
        raise IllegalMove(
            f"the play {parent_sid!r} is {status}; only a play that runs can wait for another one."
        )
    if is_above:
        raise IllegalMove(
            f"the play {parent_sid!r} would wait for itself: {child_sid!r} is that play, or waits for it. "
            "Wait for what it asked for itself."
        )
    if chain > max_chain:
        raise IllegalMove(
            f"the play {parent_sid!r} cannot wait for {child_sid!r}: {max_chain} plays wait already, each "
            "for the next one, up to it. A flow that runs itself needs an end."
        )


def not_stored(count: int) -> StoreError:
    """For rows that are said to be stored, and are not."""
    return StoreError(
        f"{count} spans were to be changed that are not in the store; nothing of their batch was recorded. "
        "Read the rows anew before writing them."
    )


def is_closed(path: str) -> StoreError:
    """For a call after :meth:`Store.close`."""
    return StoreError(f"the store {path} is closed. Open it again to go on.")


def check_end(end: PlayEnd) -> None:
    """Raise IllegalMove where the status of an end is none that a play can end with."""
    if not is_terminal(end.status):
        raise IllegalMove(
            f"a play cannot end as {end.status}; an end is one of {', '.join(sorted(TERMINAL))}."
        )


def no_such_span(sid: str, span_id: str) -> NotFound:
    """For a span id that no span of a play has."""
    return NotFound(
        f"there is no span {span_id!r} in a play {sid!r}; `hero-logic show` lists those there are."
    )


def has_nul(row: SpanRow) -> StoreError:
    """For a row that has a text with a NUL.

    SQLite would take it and not find it again (its JSON functions end a string there), and PostgreSQL
    takes none. Tags are JSON, which writes it as an escape.
    """
    return StoreError(
        f"the span {row.span_id!r} has a text with a NUL, which a store cannot hold; nothing of its "
        "batch was recorded. Replace it by U+FFFD."
    )


def refuse_nul(row: SpanRow) -> None:
    """Raise StoreError where a text of the row holds a NUL."""
    if "\0" in (
        f"{row.span_id}{row.parent_id}{row.name}{row.kind}{row.error}{row.rpc_service}{row.rpc_method}"
        f"{row.child_play_sid}{row.source_file}{row.new_logs}"
    ):
        raise has_nul(row)
