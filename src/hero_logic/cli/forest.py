"""What the faces know of a play's spans while they come in: enough to draw them, in bounded memory.

Laws:

1. Rows are copied, never kept: the fold uses them again.
2. An update costs what changed, whatever the play has grown to.
3. Every span is counted; at most ``max_kept`` are kept. The ones that ended go first, and leave their
   count at the place where they stood.
4. What is on record and was never read (:meth:`SpanForest.load`) is counted like what is not kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hero_logic.cli.wording import MAX_TEXT_CHARS, bounded_tags, first_line, last_log_line
from hero_logic.core.records import Span, SpanRow
from hero_logic.core.wire import escape_controls

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Protocol

    from hero_logic.cli.tree import Drawing

    class Part(Protocol):
        """A part of what is on record of a large play, as service/outline.py chooses it."""

        @property
        def rows(self) -> list[SpanRow]:
            """The spans that were read."""
            ...

        @property
        def counts(self) -> dict[str, int]:
            """All spans, by status."""
            ...

        @property
        def left_out(self) -> Mapping[str, tuple[int, int]]:
            """By parent (``""``: the roots): how many of its children were not read, after which ordinal."""
            ...

        @property
        def lost_parents(self) -> Collection[str]:
            """Ids that spans name as their parents, and that never came."""
            ...


MAX_KEPT = 20_000
UNREAD = ""
"""In a tally, instead of a status: spans that are on record and were not read."""

_MAX_CLIMB = 1000
_MAX_REMEMBERED = 1 << 24
"""Spans of which the last status is known, kept or not: a byte each."""
_MAX_CODE = 255
_END = 1 << 62
"""A place after every span."""
_BAD = ("failed", "timed_out")

PARENT_UNKNOWN = "(parent unknown)"
PARENT_NOT_KEPT = "(parent not kept)"
PARENT_NOT_READ = "(parent not shown)"
PARENT_LOOP = "(its parents form a loop)"


class Node:
    """One span as it is drawn; or, where ``tally`` is there, those that are not kept, in their place.

    Its ``order`` is twice the span's place among all spans of the play, so that there is room between two
    for those that are not kept. All text in it is free of control characters and bounded.
    """

    __slots__ = (
        "above",
        "below",
        "end_ms",
        "error",
        "gap",
        "inside",
        "is_queued",
        "is_sorted",
        "last_log",
        "last_order",
        "name",
        "note",
        "order",
        "parent_id",
        "span_id",
        "start_ms",
        "status",
        "tags",
        "tally",
    )

    def __init__(self, span_id: str, order: int, above: Node | None = None) -> None:
        self.span_id = span_id
        self.order = order
        self.above = above
        self.below: dict[int, Node] = {}
        self.last_order = -1
        self.is_sorted = True
        self.is_queued = False
        self.gap: Node | None = None
        self.tally: dict[str, int] | None = None
        self.inside: dict[str, int] = {}
        self.parent_id = ""
        self.name = ""
        self.status = ""
        self.start_ms = 0.0
        self.end_ms: float | None = None
        self.error = ""
        self.last_log = ""
        self.tags: dict[str, Any] = {}
        self.note = ""

    def children(self) -> list[Node]:
        """In the order of the play's spans, with the one that stands for those not kept among them."""
        if not self.is_sorted:
            self.below = dict(sorted(self.below.items()))
            self.is_sorted = True
        return list(self.below.values())

    def is_leaf(self) -> bool:
        """Whether no span below it is kept."""
        return len(self.below) == (self.gap is not None)


class Changes:
    """What an update brought: the spans that began and those that ended, each in the order of the rows."""

    __slots__ = ("ended", "started")

    def __init__(self) -> None:
        self.started: list[Node] = []
        self.ended: list[Node] = []


class SpanForest:
    """The spans of one play, by parent; not safe for use by two threads at once.

    >>> forest = SpanForest()
    >>> _ = forest.update([SpanRow(0, "a", 0.0), SpanRow(1, "b", 1.0, parent_id="a", name="step")])
    >>> [node.name for node in forest.root.children()[0].children()], forest.counts
    (['step'], {'running': 2})
    """

    def __init__(self, *, max_kept: int = MAX_KEPT) -> None:
        self.root = Node("", -1)
        """Above every root; not a span."""
        self.counts: dict[str, int] = {}
        """Of all spans, kept or not, by status."""
        self.version = 0
        """Rises with every update."""
        self.dropped = 0
        """Spans that are counted and no longer kept."""
        self.running: dict[str, Node] = {}
        self.failed: dict[str, Node] = {}
        """Those that failed or timed out."""
        self.drawing: Drawing | None = None
        """What tree.py made of this version."""
        self._nodes: dict[str, Node] = {}
        self._orphans: dict[str, dict[str, Node]] = {}
        self._max_kept = max_kept
        self._next_place = 0
        self._statuses = _Statuses()
        # The first spans of a play and its failures tell more than what came in between: they go last.
        self._recent: deque[Node] = deque()
        self._early: list[Node] = []
        self._unread: dict[str, int] = {}
        self._unread_below = 0
        self._lost_parents: Collection[str] | None = None

    @property
    def span_count(self) -> int:
        """Of all spans, kept or not."""
        return sum(self.counts.values())

    @property
    def unread(self) -> int:
        """How many of the counted spans were never read."""
        return sum(self._unread.values())

    def update(self, rows: Iterable[Span | SpanRow]) -> Changes:
        """Take what is new or has changed, parents before or after their children."""
        changes = Changes()
        for row in rows:
            node = self._nodes.get(row.span_id)
            if node is None:
                node = self._meet(row)
                if node is None:
                    continue
                _copy(node, row)
                self._place(node)
                self._adopt(node)
            else:
                is_moved = row.parent_id != node.parent_id
                if is_moved:
                    self._leave(node)
                _copy(node, row)
                if is_moved:
                    self._place(node)
            if isinstance(row, SpanRow):
                self._statuses.put(row.ordinal, row.status)
            self._set_status(node, row.status, changes)
        self.version += 1
        return changes

    def load(self, part: Part) -> None:
        """Begin with a part of what is on record; what changes from then on comes by :meth:`update`."""
        self._lost_parents = part.lost_parents
        self.update(part.rows)
        for status, count in part.counts.items():
            unread = count - self.counts.get(status, 0)
            if unread > 0:
                self._unread[status] = unread
                _add(self.counts, status, unread)
        self._unread_below = sum(part.counts.values())
        for parent_id, (count, after) in part.left_out.items():
            above = self._nodes.get(parent_id) if parent_id else self.root
            if above is not None:
                gap = above.gap or _make_gap(above, 2 * after + 1)
                assert gap.tally is not None, "a gap has one"
                _add(gap.tally, UNREAD, count)
        self.version += 1

    def path(self, node: Node, *, max_names: int = 20) -> list[str]:
        """The names from the root to a span, the middle of a very long way left out."""
        names = [node.name]
        at = node.above
        while at is not None and at is not self.root:
            names.append(at.name)
            at = at.above
        if len(names) > max_names:
            half = max_names // 2
            names[half:-half] = ["…"]
        return names[::-1]

    def _meet(self, row: Span | SpanRow) -> Node | None:
        """A node for a span that is not kept, or None where it cannot be."""
        place = self._next_place
        if isinstance(row, SpanRow):
            place = row.ordinal
            known = self._statuses.get(place)
            if known:
                self._change_unkept(row, known)
                return None
            if _MAX_REMEMBERED <= place < self._next_place:
                # One of those before the last one that we heard of: it is counted, and no more is known.
                return None
            if place < self._unread_below:
                self._take_from_unread(row)
        self._next_place = max(self._next_place, place) + 1
        if len(self._nodes) >= self._max_kept and not self._make_room():
            self._refuse(row)
            return None
        node = Node(row.span_id, 2 * place)
        self._nodes[row.span_id] = node
        return node

    def _set_status(self, node: Node, status: str, changes: Changes) -> None:
        was = node.status
        if status == was:
            return
        if was:
            self.counts[was] -= 1
            self.running.pop(node.span_id, None)
            self.failed.pop(node.span_id, None)
        node.status = status
        _add(self.counts, status, 1)
        if status == "running":
            self.running[node.span_id] = node
            changes.started.append(node)
            return
        changes.ended.append(node)
        if status in _BAD:
            self.failed[node.span_id] = node
        self._queue(node)

    def _place(self, node: Node) -> None:
        """Put a node that is nowhere below its parent; below the root where there is none to be had."""
        above = self.root
        node.note = ""
        if node.parent_id:
            parent = self._nodes.get(node.parent_id)
            if parent is None:
                self._orphans.setdefault(node.parent_id, {})[node.span_id] = node
                node.note = self._why_no_parent(node.parent_id)
            elif _is_at_or_below(parent, node):
                node.note = PARENT_LOOP
            else:
                above = parent
        _attach(node, above)

    def _why_no_parent(self, parent_id: str) -> str:
        if self._lost_parents is not None:
            return PARENT_UNKNOWN if parent_id in self._lost_parents else PARENT_NOT_READ
        return PARENT_NOT_KEPT if self.dropped else PARENT_UNKNOWN

    def _adopt(self, node: Node) -> None:
        """The children that came before their parent move to it."""
        for child in self._orphans.pop(node.span_id, {}).values():
            self._leave(child)
            self._place(child)

    def _leave(self, node: Node) -> None:
        above = node.above
        assert above is not None, node.span_id
        del above.below[node.order]
        self._forget_orphan(node)
        self._queue(above)

    def _forget_orphan(self, node: Node) -> None:
        siblings = self._orphans.get(node.parent_id, {})
        if siblings.pop(node.span_id, None) is not None and not siblings:
            del self._orphans[node.parent_id]

    def _queue(self, node: Node) -> None:
        """Note a span that can go when room is needed."""
        if node.is_queued or node is self.root or node.status in ("", "running") or not node.is_leaf():
            return
        node.is_queued = True
        is_early = node.order // 2 < self._max_kept // 4
        if is_early or node.status in _BAD:
            self._early.append(node)
        else:
            self._recent.append(node)

    def _make_room(self) -> bool:
        while self._recent:
            if self._drop(self._recent.popleft()):
                return True
        while self._early:
            if self._drop(self._early.pop()):
                return True
        return False

    def _drop(self, node: Node) -> bool:
        """Forget a span but for its count, unless it runs again or has got children by now."""
        node.is_queued = False
        above = node.above
        assert above is not None, node.span_id
        if node.status == "running" or not node.is_leaf():
            return False
        gap = above.gap
        if gap is None:
            gap = _make_gap(above, node.order)
        else:
            del above.below[node.order]
        assert gap.tally is not None
        _add(gap.tally, node.status, 1)
        if node.gap is not None:
            for tally in (node.gap.tally or {}, node.gap.inside):
                for status, count in tally.items():
                    _add(gap.inside, status, count)
        del self._nodes[node.span_id]
        self.failed.pop(node.span_id, None)
        self._forget_orphan(node)
        self.dropped += 1
        self._queue(above)
        return True

    def _refuse(self, row: Span | SpanRow) -> None:
        """Only count a span: all that are kept still run."""
        gap = self.root.gap or _make_gap(self.root, _END)
        assert gap.tally is not None, "a gap has one"
        _add(gap.tally, row.status, 1)
        _add(self.counts, row.status, 1)
        self.dropped += 1
        if isinstance(row, SpanRow):
            self._statuses.put(row.ordinal, row.status)

    def _change_unkept(self, row: SpanRow, known: str) -> None:
        """A span that is not kept has changed: the counts have to follow where it had been running."""
        if row.status == known:
            return
        self._statuses.put(row.ordinal, row.status)
        # One that runs was refused, and is counted there: only those that ended are dropped.
        gap = self.root.gap
        for tally in (self.counts, gap and gap.tally):
            if tally:
                _add(tally, known, -1)
                _add(tally, row.status, 1)

    def _take_from_unread(self, row: SpanRow) -> None:
        """A span that was counted and not read has changed: it is read now.

        What it was before is not known: while there are unread ones that run, it has probably just ended.
        """
        was = "running" if self._unread.get("running") else row.status
        if self._unread.get(was):
            _add(self._unread, was, -1)
            _add(self.counts, was, -1)
        above = self._nodes.get(row.parent_id) if row.parent_id else self.root
        gap = None if above is None else above.gap
        if above is None or gap is None or not gap.tally or not gap.tally.get(UNREAD):
            return
        _add(gap.tally, UNREAD, -1)
        if not any(gap.tally.values()) and not any(gap.inside.values()):
            above.gap = None
            del above.below[gap.order]


class _Statuses:
    """The last known status of each span, by ordinal, a byte each."""

    def __init__(self) -> None:
        self._codes = bytearray()
        self._names = [""]

    def get(self, ordinal: int) -> str:
        """The status, or ``""`` for a span that nobody heard of."""
        return self._names[self._codes[ordinal]] if 0 <= ordinal < len(self._codes) else ""

    def put(self, ordinal: int, status: str) -> None:
        """Remember it, unless there is no room for so many, or for so many statuses."""
        if not 0 <= ordinal < _MAX_REMEMBERED or (status not in self._names and len(self._names) > _MAX_CODE):
            return
        if status not in self._names:
            self._names.append(status)
        if ordinal >= len(self._codes):
            self._codes.extend(bytes(max(ordinal + 1 - len(self._codes), len(self._codes) // 8)))
        self._codes[ordinal] = self._names.index(status)


def _copy(node: Node, row: Span | SpanRow) -> None:
    node.name = escape_controls(row.name[:MAX_TEXT_CHARS]) or "(unnamed)"
    node.parent_id = row.parent_id
    node.start_ms = row.start_ms
    node.end_ms = row.end_ms
    if row.error:
        node.error = first_line(row.error)
    logs = row.new_logs if isinstance(row, SpanRow) else row.logs
    if logs:
        node.last_log = last_log_line(logs)
    tags = row.tags
    if tags:
        node.tags = bounded_tags(tags)


def _add(tally: dict[str, int], status: str, count: int) -> None:
    tally[status] = tally.get(status, 0) + count


def _attach(node: Node, above: Node) -> None:
    node.above = above
    above.below[node.order] = node
    if node.order < above.last_order:
        above.is_sorted = False
    else:
        above.last_order = node.order


def _make_gap(above: Node, order: int) -> Node:
    gap = Node("", order)
    gap.tally = {}
    above.gap = gap
    _attach(gap, above)
    return gap


def _is_at_or_below(node: Node, top: Node) -> bool:
    """Whether a node is ``top`` or under it; so deep that it would take long to tell counts as yes."""
    if node is top:
        return True
    if not top.below:
        return False
    at: Node | None = node
    for _ in range(_MAX_CLIMB):
        if at is None:
            return False
        if at is top:
            return True
        at = at.above
    return True
