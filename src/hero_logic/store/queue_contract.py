"""What every store promises of plays that wait, are to end, are sent events, are looked for, or are to go.

The laws of :mod:`hero_logic.store.contract` hold, with one word more to law 3: the deletion of a play takes
a revision too, which is kept beside its sid for the last :data:`KEPT_DELETIONS` of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hero_logic.core.finding import PlayFilter, StoreSize
    from hero_logic.core.lines import Chunk
    from hero_logic.core.records import Play, PlayOrder


KEPT_DELETIONS = 10_000
"""So many deletions are told to who asks later."""


class QueueStore(Protocol):
    """The part of a store that is about more than one play at a time."""

    # --- the queue ----------------------------------------------------------------------------------

    def has_waiting(self) -> bool:
        """Whether any play waits for a worker."""
        ...

    def waiting_count(self) -> int:
        """How many plays wait for a worker."""
        ...

    def running_count(self) -> int:
        """How many plays run, whoever runs them."""
        ...

    def claim_play(self, runtime_sid: str) -> str | None:
        """Give a play that waits to a runtime, in one transaction; its sid, or None where none waits.

        Flows take turns. The one with the fewest plays in hand is next; among equals the one that was
        served longest ago, and among those the one whose oldest waiting play is the oldest. Of a flow the
        oldest play is given. Before all of them comes what a play waits for that runs: it has given its place
        back for that. Of several that of the parent that was created last, and of those the oldest.
        """
        ...

    def release_play(self, sid: str, *, runtime_sid: str) -> bool:
        """Let a pending play wait again that this runtime had claimed; False, and nothing changed, else.

        Raises:
            NotFound: there is no such play.
        """
        ...

    def read_order(self, sid: str) -> tuple[PlayOrder, int] | None:
        """What a play is to be run with, and how often it was claimed; None where that was not said."""
        ...

    # --- waiting for another play -------------------------------------------------------------------

    def begin_wait(self, parent_sid: str, child_sid: str, *, max_chain: int) -> None:
        """A play waits for another one from now on; of one that has ended nothing is kept.

        Each call has its own :meth:`end_wait`; the end of either play ends all of them.

        Raises:
            NotFound: there is no such play.
            IllegalMove: the parent does not run, the child waits for it, or with it more than ``max_chain``
                plays would wait each for the next one.
        """
        ...

    def end_wait(self, parent_sid: str, child_sid: str) -> None:
        """One call less waits; nothing where none does."""
        ...

    def wait_chain(self, sid: str, *, limit: int) -> int:
        """How many plays wait one above the other for a play; not more than ``limit`` are counted.

        Raises:
            NotFound: there is no such play.
        """
        ...

    def waiting_parents(self, runtime_sid: str) -> list[str]:
        """The sids of the plays of a runtime that wait for another one."""
        ...

    # --- cancelling ---------------------------------------------------------------------------------

    def ask_cancel(self, sid: str, *, asked_by: str, now_ms: float) -> str:
        """Have a play ended; the runtime that has to do it, or "" where it has ended, now or before.

        A play that waits is ended at once, in the same transaction: no worker gets it any more.

        Raises:
            NotFound: there is no such play.
        """
        ...

    def asked_cancels(self, runtime_sid: str) -> list[tuple[str, str]]:
        """(sid, who asked) of the plays of a runtime that it is to end, in the order of the asking."""
        ...

    # --- pushing ------------------------------------------------------------------------------------
    # An event that was pushed stays until what came of it is written: ``write_spans`` removes, in its own
    # transaction, all up to the positions that its delta has for ``PUSHED_SOURCES``. Pushing takes no
    # revision: nothing that is shown has changed.

    def push_event(
        self, sid: str, lines: bytes, *, source: str, received_ms: float, max_events: int, max_bytes: int
    ) -> None:
        """Keep an event, as whole lines, for the runtime of its play.

        Raises:
            NotFound: there is no such play.
            IllegalMove: it has not begun, has ended, or its inbox was closed.
            InboxFull: with it more events, or more bytes of them, would wait than may.
        """
        ...

    def pushed_plays(self, runtime_sid: str) -> list[str]:
        """The sids of the plays of a runtime for which there are events."""
        ...

    def pushed_events(self, sid: str, *, after: int) -> list[Chunk]:
        """The events that there are for a play behind a position, in the order in which they came.

        Of a play that is not there it is empty.
        """
        ...

    def close_inbox(self, sid: str) -> bool:
        """Let nothing more be pushed to a play; whether there is anything that is not folded yet.

        So who closes it, folds what there is and then ends the play has left nothing out.

        Raises:
            NotFound: there is no such play.
        """
        ...

    # --- finding ------------------------------------------------------------------------------------

    def brief_play(self, sid: str) -> Play:
        """A play without the heavy fields.

        Raises:
            NotFound: there is no such play.
        """
        ...

    def find_plays(self, wanted: PlayFilter, *, limit: int, before: str | None = None) -> list[Play]:
        """Plays that are as wanted, the one created last first, as :meth:`Store.list_plays` gives them.

        By flow and by status it costs what it gives. Times and texts are looked for in what is left of all
        plays then: this is the one search that reads more than it gives.

        Raises:
            NotFound: there is no play ``before``.
        """
        ...

    def changed_statuses(self, since: int) -> list[tuple[str, int, str]]:
        """(sid, revision, status) of the plays that changed after a revision, in the order of revisions.

        Those that were deleted are among them, ``deleted``.
        """
        ...

    def child_plays(self, sid: str, *, limit: int) -> list[Play]:
        """The plays that a play asked for, the oldest first, without the heavy fields."""
        ...

    def retries(self, sid: str, *, limit: int) -> list[Play]:
        """The plays that run a play again, the oldest first, without the heavy fields."""
        ...

    # --- deleting -----------------------------------------------------------------------------------

    def delete_play(self, sid: str) -> None:
        """Remove a play that has ended: nobody finds it any more. Its spans go by :meth:`sweep_deleted`.

        It takes a revision, and ``on_commit`` is told.

        Raises:
            NotFound: there is no such play.
            IllegalMove: it has not ended.
        """
        ...

    def deletions(self, *, since: int, until: int) -> list[tuple[str, int]]:
        """(sid, revision) of the plays that were deleted after a revision and up to another one, in order."""
        ...

    def deletions_since(self) -> int:
        """The revision after which each deletion is still known."""
        ...

    def sweep_deleted(self, *, limit: int) -> bool:
        """Remove some rows of plays that were deleted, ``limit`` of a kind; whether there may be more."""
        ...

    def oldest_ended(self, *, limit: int) -> list[tuple[str, float]]:
        """(sid, created_ms) of the plays that ended and were created first."""
        ...

    def size(self) -> StoreSize:
        """How much there is."""
        ...
