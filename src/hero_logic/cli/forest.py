"""What the faces know of a play's spans while they come in: enough to draw them, in bounded memory.

Laws:

1. Rows are copied, never kept: the fold uses them again.
2. An update costs what changed, whatever the play has grown to.
3. Every span is counted; at most ``max_kept`` are kept. The ones that ended go first, and leave their
   count at the place where they stood.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from hero_logic.core.records import Span, SpanRow
from hero_logic.core.wire import escape_controls

if TYPE_CHECKING:
    from hero_logic.cli.tree import Drawing

MAX_KEPT = 20_000
MAX_TEXT_CHARS = 200

_MAX_ERROR_CHARS = 400
_MAX_KEY_CHARS = 40
_MAX_VALUE_CHARS = 100
_MAX_TAGS_CHARS = 400
_MAX_TAGS = 40
_RUNTIME_TAGS = (
    "hero.progress",
    "hero.total",
    "hero.lost",
    "hero.truncated",
    "hero.unknown_status",
    "hero.damaged",
)
_REQUEST_TAG = "rpc.request"
_UNLISTED = ("hero.", "rpc.", "error.")
_PLAIN = frozenset("_-./:@+%*#~")
_MAX_CLIMB = 1000
_MAX_REMEMBERED = 20_000
_BAD = ("failed", "timed_out")

PARENT_UNKNOWN = "(parent unknown)"
PARENT_NOT_KEPT = "(parent not kept)"
PARENT_LOOP = "(its parents form a loop)"


class Node:
    """One span as it is drawn; or, where ``tally`` is there, those that are no longer kept in its place.

    All text in it is free of control characters and bounded.
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
        """In the order of arrival, with the one that stands for those no longer kept among them."""
        if not self.is_sorted:
            self.below = dict(sorted(self.below.items()))
            self.is_sorted = True
        return list(self.below.values())

    def is_leaf(self) -> bool:
        """Whether no span below it is kept."""
        return len(self.below) == (self.gap is not None)


class _Written(str):
    """A value of a tag that is already as it is shown."""

    __slots__ = ()


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
        self._next_order = 0
        # The first spans of a play and its failures tell more than what came in between: they go last.
        self._recent: deque[Node] = deque()
        self._early: list[Node] = []
        self._refused: set[str] = set()
        self._refused_unnamed = 0

    @property
    def span_count(self) -> int:
        """Of all spans, kept or not."""
        return sum(self.counts.values())

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
            self._set_status(node, row.status, changes)
        self.version += 1
        return changes

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
        if self.dropped and isinstance(row, SpanRow) and row.is_stored:
            self._end_refused(row)
            return None
        if len(self._nodes) >= self._max_kept and not self._make_room():
            self._refuse(row)
            return None
        node = Node(row.span_id, self._new_order())
        self._nodes[row.span_id] = node
        return node

    def _new_order(self) -> int:
        self._next_order += 1
        return self._next_order

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
                node.note = PARENT_NOT_KEPT if self.dropped else PARENT_UNKNOWN
            elif _is_at_or_below(parent, node):
                node.note = PARENT_LOOP
            else:
                above = parent
        _attach(node, above)

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
        is_early = node.order <= self._max_kept // 4
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
        gap = self.root.gap or _make_gap(self.root, self._new_order())
        assert gap.tally is not None
        _add(gap.tally, row.status, 1)
        _add(self.counts, row.status, 1)
        self.dropped += 1
        if row.status != "running":
            return
        if len(self._refused) < _MAX_REMEMBERED:
            self._refused.add(row.span_id)
        else:
            self._refused_unnamed += 1

    def _end_refused(self, row: SpanRow) -> None:
        """A span that is not kept has changed: the count has to follow where it had been running."""
        if row.status == "running":
            return
        if row.span_id in self._refused:
            self._refused.discard(row.span_id)
        elif self._refused_unnamed:
            self._refused_unnamed -= 1
        else:
            return
        gap = self.root.gap
        assert gap is not None, "made when the span was refused"
        assert gap.tally is not None, "a gap has one"
        for tally in (self.counts, gap.tally):
            _add(tally, "running", -1)
            _add(tally, row.status, 1)


def value_text(value: Any) -> str:  # noqa: ANN401  # any JSON value
    """A value of a tag in a few characters: compact JSON, and a string bare where nobody can misread it.

    >>> value_text("eu-west-1"), value_text("two words"), value_text("12"), value_text([1, {"a": None}])
    ('eu-west-1', '"two words"', '"12"', '[1,{"a":null}]')
    """
    if isinstance(value, _Written):
        return value
    if isinstance(value, str):
        head = value[: _MAX_VALUE_CHARS + 1]
        text = head if _is_plain(head) else _json(head)
        if len(value) > _MAX_VALUE_CHARS:
            return escape_controls(text[:_MAX_VALUE_CHARS]) + "…"
    else:
        text = _json(value)
    text = escape_controls(text[: _MAX_VALUE_CHARS + 1])
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}…"


def first_line(text: str) -> str:
    """The first line of a text that holds anything, escaped and bounded.

    >>> first_line("\\nValueError: no\\nTraceback ...")
    'ValueError: no'
    """
    line = text.lstrip().split("\n", 1)[0].rstrip()
    return escape_controls(line[:_MAX_ERROR_CHARS])


def last_log_line(logs: str) -> str:
    """The last line of a span's logs without its time, escaped and bounded.

    >>> last_log_line("[1] one\\n[2] WARNING two")
    'WARNING two'
    """
    line = logs.rstrip().rsplit("\n", 1)[-1]
    _, text = split_log_time(line)
    return escape_controls(text.strip()[:MAX_TEXT_CHARS])


def split_log_time(line: str) -> tuple[float | None, str]:
    """The time in milliseconds and the text of a line of logs; a line of a longer text has no time.

    >>> split_log_time("[1700000000000] hi"), split_log_time("  more")
    ((1700000000000.0, 'hi'), (None, '  more'))
    """
    if not line.startswith("["):
        return None, line
    stamp, bracket, _ = line[1:40].partition("] ")
    digits = stamp.removeprefix("-")
    if not bracket or not digits.isascii() or not digits.isdigit():
        return None, line
    return float(stamp), line[len(stamp) + 3 :]


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
        node.tags = _bounded_tags(tags)


def _bounded_tags(tags: dict[str, Any]) -> dict[str, Any]:
    """A copy of what is shown of tags: to write it out costs more, and most spans are never drawn."""
    kept = {key: _bounded(tags[key]) for key in _RUNTIME_TAGS if key in tags}
    for key, value in tags.items():
        if len(kept) > _MAX_TAGS:
            break
        if key == _REQUEST_TAG or not key.startswith(_UNLISTED):
            kept[key[:_MAX_KEY_CHARS]] = _bounded(value)
    return kept


def _bounded(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    if isinstance(value, str):
        return value[: _MAX_VALUE_CHARS + 1]
    return _Written(value_text(value)) if isinstance(value, (dict, list)) else value


def tags_text(tags: dict[str, Any]) -> str:
    """Tags as ``key=value``, those left out that are shown otherwise or of no interest here.

    >>> tags_text({"rows": 7, "region": "eu", "hero.progress": 3})
    'rows=7 region=eu'
    """
    parts = []
    room = _MAX_TAGS_CHARS
    for key, value in tags.items():
        if key == _REQUEST_TAG:
            # The arguments of a call are what tells it from those beside it.
            parts.append(escape_controls(value) if isinstance(value, str) else value_text(value))
            continue
        if key.startswith(_UNLISTED):
            continue
        if room <= 0:
            parts.append("…")
            break
        part = f"{escape_controls(key[:_MAX_KEY_CHARS])}={value_text(value)}"
        parts.append(part)
        room -= len(part) + 1
    return " ".join(parts)


def warnings_text(tags: dict[str, Any]) -> str:
    """What the runtime says in a span's tags that it could not keep.

    >>> warnings_text({"hero.lost": 3, "hero.truncated": True})
    '3 events lost, not kept whole'
    """
    parts = []
    if "hero.lost" in tags:
        lost = tags["hero.lost"]
        parts.append(f"{value_text(lost)} {'event' if lost == 1 else 'events'} lost")
    if tags.get("hero.truncated"):
        parts.append("not kept whole")
    if "hero.unknown_status" in tags:
        parts.append(f"unknown status {value_text(tags['hero.unknown_status'])}")
    if "hero.damaged" in tags:
        parts.append("tags damaged on disk")
    return ", ".join(parts)


def number_tag(tags: dict[str, Any], key: str) -> float | None:
    """A tag that is a number a person can read, or None."""
    value = tags.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if -1e15 < value < 1e15 else None


def _is_plain(text: str) -> bool:
    """Whether a string without quotes reads as that string, and as no number or word of JSON."""
    if text in ("", "true", "false", "null") or not all(c.isalnum() or c in _PLAIN for c in text):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False


def _json(value: Any) -> str:  # noqa: ANN401  # any JSON value
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        # An integer past 64 bits, half a surrogate pair, or nesting without end: shown, not judged.
        return repr(value) if isinstance(value, (int, str)) else "(cannot be shown)"


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
