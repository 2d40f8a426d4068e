"""The first view of a play: all of its spans as they stand, in pages of JSON or as binary columns.

What is read up to a revision and what the stream tells after it are together everything, each row as it was
last. A snapshot is a stretch of the store's revisions, like the stream: a row that changes while it is read
comes again on a later page. Columns are read in the order of ordinals, as the rows lie in the store; what is
written after their first look is left to the stream.

Source: docs/rpc.md, "The first view".
"""

from __future__ import annotations

import struct
from array import array
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import msgspec

from hero_logic.core.records import COLUMNS
from hero_logic.service.extracts import play_news, span_news, whole_logs
from hero_logic.service.feed import Follower

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hero_logic.core.records import SpanRow
    from hero_logic.store.contract import Store

SCHEMA = 1
DEFAULT_PAGE = 1000
MAX_PAGE = 5000
MAGIC = b"HEROCOL1"
BLOCK_ROWS = 2000
_MAX_PAGE_BYTES = 32 * 1024 * 1024
_FRAME = struct.Struct("<4sI")
_NOT_ENDED = float("nan")
_MAX_U32 = 2**32 - 1
_REVISION = COLUMNS.index("revision")
_ORDINAL = COLUMNS.index("ordinal")

_NAMED = ("name", "kind", "status", "rpc_service", "rpc_method", "source_file")
_KINDS = {"revision": "u64", "start_ms": "f64", "end_ms": "f64"} | dict.fromkeys(_NAMED, "name")
_KINDS |= dict.fromkeys(("ordinal", "source_line", "log_bytes"), "u32")
LAYOUT = tuple((name, _KINDS.get(name, "text")) for name in COLUMNS)
"""The columns of a block, in their order, and how each is written."""

_encode = msgspec.json.Encoder().encode


def snapshot_page(store: Store, sid: str, *, after: int, limit: int) -> bytes:
    """A page of a play's spans, whole, in the order in which they were last written.

    ``{"schema", "revision", "play", "spans", "next"}``: ``next`` is what to give as ``after`` for the next
    page; None on the last, from whose ``revision`` the stream goes on.

    Raises:
        NotFound: there is no such play.
    """
    play = store.brief_play(sid)
    rows, revision, is_all = _rows(store, sid, after, limit)
    spans = []
    size_bytes = 0
    for row in rows:
        text = _encode(span_news(row, whole_logs(store, sid, row)))
        spans.append(msgspec.Raw(text))
        size_bytes += len(text)
        if size_bytes > _MAX_PAGE_BYTES and row is not rows[-1]:
            revision, is_all = row.revision, False
            break
    page: dict[str, Any] = {
        "schema": SCHEMA,
        "revision": revision,
        "play": play_news(play),
        "spans": spans,
        "next": None if is_all else revision,
    }
    return _encode(page)


class Columns:
    """The columns of a play, block by block, in the order of ordinals: what one reader has been given so far.

    The names are sent as they first occur, so that nothing has to be read twice. What is written after the
    first look at the store is left to the stream, which begins there.
    """

    def __init__(self, store: Store, sid: str) -> None:
        self._sid = sid
        self._revision = store.revision()
        self._start = 0
        self._names: dict[str, int] = {}
        self._rows = 0
        self._head = MAGIC + _frame(b"head", _head(store, sid))
        self.is_over = False

    def next(self, store: Store) -> bytes:
        """The next frames; after the last of them ``is_over``."""
        page = store.read_columns(self._sid, start=self._start, limit=BLOCK_ROWS)
        self.is_over = len(page) < BLOCK_ROWS
        if page:
            self._start = page[-1][_ORDINAL] + 1
        rows = [row for row in page if row[_REVISION] <= self._revision]
        pieces = [self._head]
        self._head = b""
        if rows:
            new_names, block = self._block(rows)
            if new_names:
                pieces.append(_frame(b"name", _encode(new_names)))
            pieces.append(_frame(b"rows", block))
            self._rows += len(rows)
        if self.is_over:
            pieces.append(_frame(b"done", _encode({"revision": self._revision, "rows": self._rows})))
        return b"".join(pieces)

    def _block(self, rows: Sequence[tuple[Any, ...]]) -> tuple[list[str], bytes]:
        known = len(self._names)
        names = self._names
        columns = [struct.pack("<Q", len(rows))]
        # All columns at once: a row at a time takes several times as long.
        for (_, kind), values in zip(LAYOUT, zip(*rows, strict=True), strict=True):
            if kind == "name":
                for value in dict.fromkeys(values):
                    names.setdefault(value, len(names))
                columns.append(_numbers("I", map(names.__getitem__, values)))
            elif kind == "text":
                columns.append(_texts(values))
            elif kind == "f64":
                columns.append(_numbers("d", [_NOT_ENDED if value is None else value for value in values]))
            elif kind == "u64":
                columns.append(_numbers("Q", values))
            else:
                columns.append(_small_numbers(values))
        return list(names)[known:], b"".join(columns)


def _rows(store: Store, sid: str, after: int, limit: int) -> tuple[list[SpanRow], int, bool]:
    """Rows after a revision, up to which one they are all, and whether there are no more."""
    follower = Follower(store, sid, since=after)
    changes = follower.changes(limit)
    if changes is None:
        return [], follower.revision, True
    return (
        [row for _, row in changes.spans if row.revision <= changes.revision],
        changes.revision,
        changes.is_all,
    )


def _head(store: Store, sid: str) -> bytes:
    columns = [{"name": name, "type": kind} for name, kind in LAYOUT]
    return _encode({"schema": SCHEMA, "play": play_news(store.brief_play(sid)), "columns": columns})


def _frame(kind: bytes, payload: bytes) -> bytes:
    """A frame: four letters, the size of the payload, the payload, zeros up to a multiple of eight.

    >>> _frame(b"done", b"{}")
    b'done\\x02\\x00\\x00\\x00{}\\x00\\x00\\x00\\x00\\x00\\x00'
    """
    return _FRAME.pack(kind, len(payload)) + payload + b"\0" * (-len(payload) % 8)


def _numbers(code: str, values: Iterable[Any]) -> bytes:
    """A column of numbers, little-endian, padded to a multiple of eight bytes."""
    column = array(code, values)
    if struct.pack("=H", 1) != struct.pack("<H", 1):
        column.byteswap()
    text = column.tobytes()
    return text + b"\0" * (-len(text) % 8)


def _small_numbers(values: Sequence[int]) -> bytes:
    """A column of numbers of 32 bits; what does not fit is the nearest one that does."""
    try:
        return _numbers("I", values)
    except OverflowError:
        return _numbers("I", [min(max(value, 0), _MAX_U32) for value in values])


def _texts(values: Sequence[str]) -> bytes:
    """A column of texts: where each begins and the last one ends, in bytes; then all of them in one."""
    joined = "".join(values)
    if joined.isascii():
        # What nearly all are: a byte each, so that nothing has to be encoded one by one.
        lengths, text = map(len, values), joined.encode()
    else:
        encoded = [value.encode("utf-8", "replace") for value in values]
        lengths, text = map(len, encoded), b"".join(encoded)
    return _numbers("I", accumulate(lengths, initial=0)) + text + b"\0" * (-len(text) % 8)
