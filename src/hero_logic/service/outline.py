"""Which spans of a large play are read to show it: a bounded part of them, chosen by stretches of indexes.

Laws:

1. What is read does not grow with the play: at most about ``max_rows`` rows, however many spans there are.
2. What is not read is counted: all spans by status, and of every span that was read how many of its children
   were not.
3. What a person looks for first comes first: what failed and what runs, each with the spans around it; then
   the tree from its roots, level by level, of long rows of siblings the first and the last.

The store is read in several calls. Of a play that still runs they may see different moments: whoever goes on
from ``revision`` hears of all that came later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hero_logic.core.records import SpanRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hero_logic.store.contract import Store

MAX_ROWS = 1_600
"""Four times as many as there are lines for."""

_MAX_LEVELS = 200
"""As far up and as far down as spans are looked for: each level is a query or two."""
_MIN_PAGE = 4
_MAX_PAGE = 200
_TAIL = 20
"""How many of the last siblings are wanted, where not all of them are read."""
_MAX_TAILS = 8
_MAX_TAIL_TRIES = 4


class Outline(msgspec.Struct, frozen=True):
    """A part of a play's spans, and how much more there is."""

    revision: int
    """Of the store, before anything was read."""
    rows: list[SpanRow]
    """In the order of their ordinals, without their logs."""
    counts: dict[str, int]
    """All spans of the play, by status."""
    left_out: dict[str, tuple[int, int]]
    """By parent (``""``: the roots): how many of its children are not in ``rows``, and the ordinal of the
    span after which most of them stand."""
    lost_parents: frozenset[str]
    """Ids that spans in ``rows`` name as their parents, and that never came."""


def read_outline(store: Store, sid: str, *, max_rows: int = MAX_ROWS) -> Outline:
    """What is to be read of a play that is too large to be read whole.

    Raises:
        NotFound: there is no such play.
    """
    return _Reader(store, sid, max_rows).read()


def with_ancestors(store: Store, sid: str, rows: list[SpanRow], *, max_rows: int = MAX_ROWS) -> list[SpanRow]:
    """These spans and those around them, at most so many more, in the order of their ordinals."""
    reader = _Reader(store, sid, max_rows)
    reader.keep(rows)
    reader.read_ancestors(max_rows)
    return reader.in_order()


class _Reader:
    def __init__(self, store: Store, sid: str, max_rows: int) -> None:
        self._store = store
        self._sid = sid
        self._max_rows = max_rows
        self._room = max_rows
        self._rows: dict[str, SpanRow] = {}
        self._below: dict[str, list[SpanRow]] = {}
        self._lost: set[str] = set()
        self._heads: dict[str, int] = {}
        """By parent, the ordinal of the last of its first children that were read one after the other."""
        self._span_count = 0
        self._tails = 0

    def read(self) -> Outline:
        revision = self._store.revision()
        counts = self._store.status_counts(self._sid)
        self._span_count = sum(counts.values())
        share = self._max_rows // 8
        self.keep(self._store.failed_spans(self._sid, limit=share))
        self.keep(self._store.running_spans(self._sid, limit=share))
        self.read_ancestors(self._max_rows // 4)
        self._read_tree()
        return Outline(revision, self.in_order(), counts, self._left_out(), frozenset(self._lost))

    def keep(self, rows: Iterable[SpanRow]) -> None:
        for row in rows:
            self._room -= 1
            if row.span_id not in self._rows:
                self._rows[row.span_id] = row
                self._below.setdefault(row.parent_id, []).append(row)

    def in_order(self) -> list[SpanRow]:
        return sorted(self._rows.values(), key=lambda row: row.ordinal)

    def read_ancestors(self, room: int) -> None:
        """The spans around those that are kept, level by level, as far as there is room."""
        frontier = list(self._rows.values())
        for _ in range(_MAX_LEVELS):
            wanted = list({row.parent_id for row in frontier if self._is_unknown(row.parent_id)})[:room]
            if not wanted:
                return
            frontier = self._store.load_rows(self._sid, wanted)
            self._lost.update(set(wanted) - {row.span_id for row in frontier})
            self.keep(frontier)
            room -= len(frontier)

    def _is_unknown(self, span_id: str) -> bool:
        return span_id != "" and span_id not in self._rows and span_id not in self._lost

    def _read_tree(self) -> None:
        level = [""]
        for _ in range(_MAX_LEVELS):
            counts = self._store.child_counts(self._sid, level)
            parents = [parent for parent in level if counts.get(parent)]
            # The half of what there is room for goes to the levels below.
            page = min(max(self._room // (2 * len(parents) or 1), _MIN_PAGE), _MAX_PAGE)
            for parent in parents:
                if self._room > 0:
                    self._read_children(parent, counts[parent], min(page, self._room))
            level = [row.span_id for parent in parents for row in self._below.get(parent, ())]
            if not level or self._room <= 0:
                return

    def _read_children(self, parent: str, count: int, page: int) -> None:
        kids = self._store.children(self._sid, parent, limit=page)
        self.keep(kids)
        if not kids:
            return
        self._heads[parent] = kids[-1].ordinal
        if count > len(kids) and self._tails < _MAX_TAILS:
            self._tails += 1
            self._read_tail(parent, count, kids[-1].ordinal)

    def _read_tail(self, parent: str, count: int, after: int) -> None:
        """The last children, if they stand among the last spans of the play, where one looks for them.

        No index gives them from behind: it is guessed, from how far children stand apart, where they begin.
        """
        reach = _TAIL * max(1, self._span_count // count)
        for _ in range(_MAX_TAIL_TRIES):
            start = max(after, self._span_count - 1 - reach)
            kids = self._store.children(self._sid, parent, after=start, limit=2 * _TAIL)
            if len(kids) < 2 * _TAIL:
                self.keep(kids)
                return
            self._room -= len(kids)
            reach //= 2

    def _left_out(self) -> dict[str, tuple[int, int]]:
        parents = ["", *self._rows, *self._lost]
        left_out: dict[str, tuple[int, int]] = {}
        for parent, count in self._store.child_counts(self._sid, parents).items():
            more = count - len(self._below.get(parent, ()))
            if more > 0:
                # Those whose parent never came are drawn as roots.
                place = "" if parent in self._lost else parent
                before = left_out.get(place, (0, 0))[0]
                left_out[place] = (before + more, self._heads.get(place, self._span_count - 1))
        return left_out
