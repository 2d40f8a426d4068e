"""Which spans of a forest are shown, where there is room for so many lines only.

The room is given away one span at a time, each with its ancestors, and each at its true cost: its own line,
and the line that counts the siblings left out before or after it, where that is a new one. In turn:

1. the roots, while they take at most half of the room;
2. what runs and what failed, by turns, in the order of arrival;
3. the lines under them: errors, then last logs;
4. the first and the last siblings, level by level, every parent in its turn.

A span that is shown without any of its children counts them on its own line, so that this costs nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain, zip_longest

from hero_logic.cli.forest import Node, SpanForest

_MAX_MISSES = 50
_MAX_ERROR_CLIMB = 100


class Selection:
    """The spans that are shown, and what became of the others."""

    def __init__(self, forest: SpanForest, max_lines: int) -> None:
        self._root = forest.root
        self._children: dict[Node, list[Node]] = {}
        self._places: dict[Node, dict[Node, int]] = {}
        self._opened: set[Node] = set()
        self._inside: dict[Node, dict[str, int]] = {}
        self.shown: set[Node] = set()
        self.extras: set[Node] = set()
        """Those that have a line under theirs."""
        # All roots left out take one line.
        self._room = max_lines - (1 if forest.root.below else 0)
        if self._room >= 0:
            self._show_roots(max_lines)
            self._show_first(_by_turns(forest))
            told_below = _told_below(forest)
            self._show_extras(
                node for node in forest.failed.values() if node.error and node not in told_below
            )
            self._show_extras(node for node in forest.running.values() if node.last_log)
            self._fill()

    def parts(self, node: Node) -> list[Node | list[Node]]:
        """What is below a span, in order: spans that are shown, and runs of spans that are not.

        Nothing for a span none of whose children is shown: see :meth:`inside`.
        """
        parts: list[Node | list[Node]] = []
        if node not in self._opened and node is not self._root:
            return parts
        run: list[Node] = []
        for child in self._kids(node):
            if child not in self.shown:
                run.append(child)
                continue
            if run:
                parts.append(run)
                run = []
            parts.append(child)
        if run:
            parts.append(run)
        return parts

    def inside(self, node: Node) -> dict[str, int]:
        """All that is below a shown span of whose children none is, by status."""
        if node in self._opened or not node.below:
            return {}
        if node not in self._inside:
            everything, inside = self.tally(list(node.below.values()))
            for status, count in inside.items():
                everything[status] = everything.get(status, 0) + count
            self._inside[node] = everything
        return self._inside[node]

    def tally(self, nodes: list[Node]) -> tuple[dict[str, int], dict[str, int]]:
        """By status: these spans themselves, and all that is below them."""
        siblings: dict[str, int] = {}
        inside: dict[str, int] = {}
        stack: list[Node] = []
        for node in nodes:
            _count(node, siblings, inside)
            stack.extend(node.below.values())
        while stack:
            node = stack.pop()
            _count(node, inside, inside)
            stack.extend(node.below.values())
        return siblings, inside

    def has_shown_sibling(self, node: Node) -> bool:
        """Whether the parent of a span shows any of its children."""
        return node.above in self._opened

    def _kids(self, node: Node) -> list[Node]:
        kids = self._children.get(node)
        if kids is None:
            kids = self._children[node] = node.children()
        return kids

    def _place(self, node: Node) -> int:
        above = node.above
        assert above is not None, node.span_id
        places = self._places.get(above)
        if places is None:
            places = self._places[above] = {kid: index for index, kid in enumerate(self._kids(above))}
        return places[node]

    def _cost(self, node: Node) -> int:
        """Lines that this span takes, those of its siblings left out taken into account."""
        above = node.above
        assert above is not None, node.span_id
        kids = self._kids(above)
        place = self._place(node)
        has_run_before = place > 0 and kids[place - 1] not in self.shown
        has_run_after = place < len(kids) - 1 and kids[place + 1] not in self.shown
        is_counted = above in self._opened or above is self._root
        return 1 + has_run_before + has_run_after - is_counted

    def _show(self, node: Node) -> bool:
        """Show a span and its ancestors, if there is room for all of them."""
        way = []
        at = node
        while at is not self._root and at not in self.shown:
            way.append(at)
            if len(way) > self._room + 1 or at.above is None:
                return False
            at = at.above
        cost = sum(map(self._cost, way))
        if cost > self._room:
            return False
        self._room -= cost
        for step in way:
            self.shown.add(step)
            assert step.above is not None
            self._opened.add(step.above)
        return True

    def _show_roots(self, max_lines: int) -> None:
        roots = self._kids(self._root)
        if len(roots) <= max(1, max_lines // 2):
            self._show_first(iter(roots))

    def _show_first(self, nodes: Iterator[Node]) -> None:
        misses = 0
        for node in nodes:
            if node.tally is None and not self._show(node):
                misses += 1
                if misses > _MAX_MISSES:
                    break

    def _show_extras(self, nodes: Iterator[Node]) -> None:
        for node in nodes:
            if self._room <= 0:
                break
            if node in self.shown:
                self.extras.add(node)
                self._room -= 1

    def _fill(self) -> None:
        level = [self._root]
        while level:
            turns = deque(_Ends(self._kids(node)) for node in level)
            while turns:
                ends = turns.popleft()
                if self._show_ends(ends):
                    turns.append(ends)
            for node in level:
                self._show_single(node)
            level = [kid for node in level for kid in self._kids(node) if kid in self.shown and kid.below]

    def _show_ends(self, ends: _Ends) -> bool:
        """Show the first and the last of the siblings left out; whether there may be more to show."""
        for node in (ends.first(self.shown), ends.last(self.shown)):
            if node is None or (node not in self.shown and not self._show(node)):
                return False
        return True

    def _show_single(self, node: Node) -> None:
        """Show every span that would only change places with the line that counts it."""
        if node not in self._opened:
            return
        kids = self._kids(node)
        for before, kid, after in zip([None, *kids], kids, [*kids[1:], None], strict=False):
            is_alone = (before is None or before in self.shown) and (after is None or after in self.shown)
            if is_alone and kid.tally is None and kid not in self.shown:
                self._show(kid)


class _Ends:
    """Walks a list of siblings from both ends."""

    __slots__ = ("_high", "_kids", "_low")

    def __init__(self, kids: list[Node]) -> None:
        self._kids = kids
        self._low = 0
        self._high = len(kids) - 1

    def first(self, shown: set[Node]) -> Node | None:
        """The first that is not shown."""
        kids = self._kids
        while self._low <= self._high and (kids[self._low] in shown or kids[self._low].tally is not None):
            self._low += 1
        return kids[self._low] if self._low <= self._high else None

    def last(self, shown: set[Node]) -> Node | None:
        """The last that is not shown."""
        kids = self._kids
        while self._low <= self._high and (kids[self._high] in shown or kids[self._high].tally is not None):
            self._high -= 1
        return kids[self._high] if self._low <= self._high else None


def _by_turns(forest: SpanForest) -> Iterator[Node]:
    pairs = zip_longest(forest.running.values(), forest.failed.values())
    return (node for node in chain.from_iterable(pairs) if node is not None)


def _told_below(forest: SpanForest) -> set[Node]:
    """The failed spans whose error is that of a span below them, where it is told."""
    told = set()
    for node in forest.failed.values():
        at = node.above
        for _ in range(_MAX_ERROR_CLIMB):
            if at is None or not node.error:
                break
            if at.error == node.error:
                told.add(at)
                break
            at = at.above
    return told


def _count(node: Node, here: dict[str, int], inside: dict[str, int]) -> None:
    if node.tally is None:
        here[node.status] = here.get(node.status, 0) + 1
        return
    for counts, into in ((node.tally, here), (node.inside, inside)):
        for status, count in counts.items():
            into[status] = into.get(status, 0) + count
