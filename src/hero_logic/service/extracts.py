"""Parts of a play as JSON: what changes while it runs, what failed, what its spans took.

Source: docs/json.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hero_logic.core.lifecycle import is_terminal
from hero_logic.core.records import FIELDS_BUT_LOGS
from hero_logic.service import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hero_logic.core.records import NameStats, Play, Span, SpanRow
    from hero_logic.store.contract import Store

_encode = msgspec.json.Encoder().encode


def play_line(play: Play) -> bytes:
    """A play as it stands, in one line: as in a list, with its revision."""
    return _encode({"type": "play", **play_news(play)}) + b"\n"


def play_news(play: Play) -> dict[str, Any]:
    """A play as it stands, as in a list, with its revision."""
    facts = {key: value for key, value in document._facts(play).items() if key not in document._HEAVY}
    return {"revision": play.revision, **facts}


def span_news(row: SpanRow, logs: str) -> dict[str, Any]:
    """A span whole, as in the document of a play, with its place among them and its revision."""
    news: dict[str, Any] = {name: getattr(row, name) for name in FIELDS_BUT_LOGS}
    news["logs"] = logs
    news["ordinal"] = row.ordinal
    news["revision"] = row.revision
    return news


def whole_logs(store: Store, sid: str, row: SpanRow) -> str:
    """The logs of a row of :class:`Changes`: read only where what is new of them is not all of them."""
    if not row.log_bytes:
        return ""
    if len(row.new_logs.encode("utf-8", "surrogatepass")) >= row.log_bytes:
        return row.new_logs
    return store.read_logs(sid, row.span_id)


def span_line(row: SpanRow) -> bytes:
    """A span as it stands, in one line; of its logs what is new."""
    line: dict[str, Any] = {"type": "span", "revision": row.revision}
    for name in FIELDS_BUT_LOGS:
        line[name] = getattr(row, name)
    line["log_bytes"] = row.log_bytes
    line["new_logs"] = row.new_logs
    return _encode(line) + b"\n"


def change_lines(plays: Iterable[Play], rows: Iterable[SpanRow]) -> Iterator[bytes]:
    """A line for each of them, in the order of their revisions; of plays only those that go on.

    A play that has ended is told by :func:`play_line`, when all else has been.
    """
    lines = [(row.revision, span_line(row)) for row in rows]
    lines.extend((play.revision, play_line(play)) for play in plays if not is_terminal(play.status))
    lines.sort(key=lambda line: line[0])
    return (line for _, line in lines)


def failed_document(sid: str, spans: Iterable[Span]) -> Iterator[bytes]:
    """Spans that failed, whole, as one document in pieces."""
    yield _encode({"schema": document.SCHEMA, "sid": sid})[:-1] + b',"spans":['
    separator = b""
    for span in spans:
        yield separator + _encode(span)
        separator = b","
    yield b"]}"


def stats_document(sid: str, names: list[NameStats], *, is_all: bool) -> bytes:
    """What the spans of each name took, as one document."""
    return _encode({"schema": document.SCHEMA, "sid": sid, "names": names, "is_all": is_all})
