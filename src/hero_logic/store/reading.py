"""How the embedded store reads plays back: each function within a transaction of the caller.

Laws:

1. Each statement is one stretch of an index that it names: docs/design/0009-reading-back.md has them all.
2. What takes several statements is of one moment, as they are of one transaction.
"""

from __future__ import annotations

from hero_logic.core.records import Changes, Counters, FoldState
from hero_logic.store import queries, rows
from hero_logic.store.refusals import no_such_play, no_such_span
from hero_logic.store.writing import find_play, read_revision

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from array import array
    from collections.abc import Iterable, Sequence
    from typing import Any

    from hero_logic.core.records import NameStats, Span, SpanRow

_LONGEST_LEVEL = len(queries.LEVELS_MS)
_EVER_SINCE_MS = float("-inf")
_MANY_NAMES = 10_000


# --- what the fold needs -----------------------------------------------------------------------------


def fold_state(connection: sqlite3.Connection, sid: str) -> FoldState:
    """What the fold needs to go on with a play.

    Raises:
        NotFound: there is no such play.
    """
    values = connection.execute(queries.LOAD_COUNTERS, (sid,)).fetchone()
    if values is None:
        raise no_such_play(sid)
    play, *counters, span_count = values
    return FoldState(
        counters=Counters(*counters),
        span_count=span_count,
        writers=dict(connection.execute(queries.LOAD_WRITERS, (play,))),
        positions=dict(connection.execute(queries.LOAD_SOURCES, (play,))),
    )


def seqs(connection: sqlite3.Connection, sid: str, writers: Iterable[str]) -> dict[str, int]:
    """The highest ``seq`` of those of these writers that are known."""
    found = {}
    for writer in writers:
        values = connection.execute(queries.LOAD_SEQ, (sid, writer)).fetchone()
        if values is not None:
            found[writer] = values[0]
    return found


def position(connection: sqlite3.Connection, sid: str, source: str) -> int:
    """How many bytes of a source are on disk; 0 for a new one."""
    values = connection.execute(queries.LOAD_POSITION, (sid, source)).fetchone()
    return 0 if values is None else int(values[0])


def spans_of_ids(
    connection: sqlite3.Connection, sid: str, span_ids: Sequence[str], max_bytes: int | None
) -> list[SpanRow]:
    """Those of these spans that are there, up to and with the one whose text passes ``max_bytes``."""
    wanted = rows.encode_json(list(span_ids)).decode()
    return _as_many_as(connection.execute(queries.LOAD_ROWS, (sid, wanted)), max_bytes)


def open_spans(
    connection: sqlite3.Connection, sid: str, *, limit: int, max_bytes: int | None
) -> list[SpanRow]:
    """The first ``limit`` running spans, up to and with the one whose text passes ``max_bytes``."""
    return _as_many_as(connection.execute(queries.OPEN_SPANS, (sid, -1, max(limit, 0))), max_bytes)


def _as_many_as(answer: Iterable[Sequence[object]], max_bytes: int | None) -> list[SpanRow]:
    found = []
    found_bytes = 0
    for values in answer:
        row = rows.span_row(values)
        found.append(row)
        found_bytes += row.text_bytes
        if max_bytes is not None and found_bytes > max_bytes:
            break
    return found


# --- a play ------------------------------------------------------------------------------------------


def page(connection: sqlite3.Connection, statement: str, *arguments: object, limit: int) -> list[SpanRow]:
    """The spans that a statement gives, at most ``limit``: its last argument."""
    return [rows.span_row(values) for values in connection.execute(statement, (*arguments, max(limit, 0)))]


def whole_spans(connection: sqlite3.Connection, sid: str, start: int, limit: int) -> list[Span]:
    """Spans from the ordinal ``start`` on, with their logs.

    Raises:
        NotFound: there is no such play.
    """
    play, _ = find_play(connection, sid)
    found = connection.execute(queries.READ_SPANS, (play, start, max(limit, 0))).fetchall()
    if not found:
        return []
    chunks = connection.execute(queries.READ_LOGS, (play, found[0][0], found[-1][0])).fetchall()
    return rows.spans(found, chunks)


def columns(connection: sqlite3.Connection, sid: str, start: int, limit: int) -> list[tuple[Any, ...]]:
    """Spans from the ordinal ``start`` on, as tuples, with tags that are JSON whatever is on disk."""
    found = connection.execute(queries.READ_COLUMNS, (sid, start, max(limit, 0))).fetchall()
    return [(*row[:-1], rows.tags_as_text(row[-1])) for row in found]


def child_counts(connection: sqlite3.Connection, sid: str, parent_ids: Iterable[str]) -> dict[str, int]:
    """How many children each of these spans has; those without any are left out."""
    counts = {}
    for parent_id in parent_ids:
        count = connection.execute(queries.CHILD_COUNT, (sid, parent_id)).fetchone()[0]
        if count:
            counts[parent_id] = count
    return counts


def spans_between(
    connection: sqlite3.Connection, sid: str, *, from_ms: float, to_ms: float, min_ms: float, limit: int
) -> list[SpanRow]:
    """Spans of which any moment lies between two times: what runs, then the longest (contract.py)."""
    if from_ms > to_ms:
        return []
    play = _id_of(connection, sid)
    found: list[SpanRow] = []
    for level in (queries.RUNNING_LEVEL, *range(_LONGEST_LEVEL, _level(min_ms) - 1, -1)):
        room = limit - len(found)
        if room <= 0:
            break
        earliest_ms = from_ms - queries.LEVELS_MS[level] if level < _LONGEST_LEVEL else _EVER_SINCE_MS
        asked = (play, level, earliest_ms, to_ms, from_ms, min_ms)
        found += page(connection, queries.SPANS_BETWEEN, *asked, limit=room)
    return found


def _level(duration_ms: float) -> int:
    """The level of a span that took so long: the same as ``DURATION_LEVEL``."""
    return sum(duration_ms >= ms for ms in queries.LEVELS_MS)


def status_counts(connection: sqlite3.Connection, sid: str) -> dict[str, int]:
    """How many spans of a play have which status: those that are not ok are counted, the rest is.

    Raises:
        NotFound: there is no such play.
    """
    found = connection.execute(queries.SPAN_COUNT, (sid,)).fetchone()
    if found is None:
        raise no_such_play(sid)
    play, span_count = found
    running = connection.execute(queries.OPEN_COUNT, (play,)).fetchone()[0]
    failed, timed_out, cancelled = (
        count or 0 for count in connection.execute(queries.FAILED_COUNTS, (play,)).fetchone()
    )
    counts = {
        "running": running,
        "ok": span_count - running - failed - timed_out - cancelled,
        "failed": failed,
        "timed_out": timed_out,
        "cancelled": cancelled,
    }
    return {status: count for status, count in counts.items() if count > 0}


def name_stats(connection: sqlite3.Connection, sid: str, limit: int) -> list[NameStats]:
    """What the ended spans of each name took, the highest total first.

    Memory: 8 bytes for each span that is looked at, 32 for each of one name at a time. A play may have as
    many names as spans: where they are very many, those to look at are found first, in a reading of its own.
    """
    play = _id_of(connection, sid)
    measured = _durations(connection, play)
    if measured is None:
        top = connection.execute(queries.TOP_NAMES, (play, max(limit, 0)))
        measured = _durations(connection, play, names={name for (name,) in top}) or {}
    stats = [rows.name_stats(name, failed, lasted_ms) for name, (failed, lasted_ms) in measured.items()]
    stats.sort(key=lambda one: (-one.total_ms, one.name))
    return stats[: max(limit, 0)]


def _durations(
    connection: sqlite3.Connection, play: int, names: set[str] | None = None
) -> dict[str, tuple[int, array[float]]] | None:
    """How many ended spans of each of these names failed, and how long each of them took, in milliseconds.

    Of all names where none are given; None where those are too many.
    """
    from array import array  # a shared library: nothing else of a command needs it

    lasted: dict[str, array[float]] = {}
    failed: dict[str, int] = {}
    for name, has_failed, lasted_ms in connection.execute(queries.NAMED_DURATIONS, (play,)):
        of_name = lasted.get(name)
        if of_name is None:
            if names is None and len(lasted) == _MANY_NAMES:
                return None
            if names is not None and name not in names:
                continue
            of_name = lasted[name] = array("d")
        of_name.append(lasted_ms)
        if has_failed:
            failed[name] = failed.get(name, 0) + 1
    return {name: (failed.get(name, 0), of_name) for name, of_name in lasted.items()}


def logs(connection: sqlite3.Connection, sid: str, span_id: str) -> str:
    """The logs of one span, whole.

    Raises:
        NotFound: there is no such span.
    """
    found = connection.execute(queries.FIND_LOGS, (sid, span_id)).fetchone()
    if found is None:
        raise no_such_span(sid, span_id)
    play, ordinal, first = found
    chunks = connection.execute(queries.READ_LOGS, (play, ordinal, ordinal))
    return "".join([first, *(text for _, text in chunks)])


def _id_of(connection: sqlite3.Connection, sid: str) -> int:
    """The id of a play; 0, which none has, where there is no such play."""
    found = connection.execute(queries.FIND_PLAY, (sid,)).fetchone()
    return 0 if found is None else int(found[0])


# --- what changed ------------------------------------------------------------------------------------


def changes(connection: sqlite3.Connection, *, since: int, sid: str | None, limit: int) -> Changes:
    """What changed after a revision, of one play or of all (contract.py).

    Raises:
        NotFound: there is no such play.
    """
    limit = max(limit, 0)
    if sid is None:
        ids = [play for (play,) in connection.execute(queries.CHANGED_PLAY_IDS, (since,))]
        found = connection.execute(queries.CHANGED_PLAYS, (since, limit + 1))
    else:
        ids = [find_play(connection, sid)[0]]
        found = connection.execute(queries.CHANGED_PLAY, (ids[0], since))
    plays = [rows.play(values) for values in found]
    until = read_revision(connection)
    moments = _moments(connection, ids, since=since, until=until, limit=limit + 1)
    is_all = True
    for revisions in ([one.revision for one in plays], [moment[0] for moment in moments]):
        if len(revisions) > limit:
            is_all = False
            until = min(until, revisions[limit - 1] if limit else since)
    return Changes(
        revision=until,
        plays=[one for one in plays if one.revision <= until],
        spans=_spans_until(connection, moments, since=since, until=until),
        is_all=is_all,
    )


def _moments(
    connection: sqlite3.Connection, plays: Iterable[int], *, since: int, until: int, limit: int
) -> list[tuple[int, int, int]]:
    """The first revisions after ``since`` that wrote a span or a piece of its log, with play and ordinal.

    At most ``limit`` of all these plays: once there are as many, no later one is asked of the other plays.
    """
    moments: list[tuple[int, int, int]] = []
    for play in plays:
        between = (play, since, until)
        found = connection.execute(queries.CHANGED_SPANS, (*between, *between, limit))
        moments += [(revision, play, ordinal) for revision, ordinal in found]
        if len(moments) >= limit:
            moments.sort()
            del moments[limit:]
            until = moments[-1][0] if moments else since
    moments.sort()
    return moments


def _spans_until(
    connection: sqlite3.Connection, moments: list[tuple[int, int, int]], *, since: int, until: int
) -> list[tuple[str, SpanRow]]:
    """The spans of these moments up to ``until``, with what was added to their logs by then."""
    ordinals: dict[int, set[int]] = {}
    for revision, play, ordinal in moments:
        if revision <= until:
            ordinals.setdefault(play, set()).add(ordinal)
    spans = []
    for play, wanted in ordinals.items():
        sid = connection.execute(queries.SID_OF_PLAY, (play,)).fetchone()[0]
        pieces: dict[int, list[str]] = {}
        for ordinal, text in connection.execute(queries.CHANGED_LOGS, (play, since, until)):
            pieces.setdefault(ordinal, []).append(text)
        asked = rows.encode_json(sorted(wanted)).decode()
        for *values, inline in connection.execute(queries.SPANS_OF_ORDINALS, (play, asked)):
            row = rows.span_row(values)
            # What lies in the row came with its revision, the one moment that such a row is here for.
            row.new_logs = inline + "".join(pieces.get(row.ordinal, ()))
            spans.append((sid, row))
    spans.sort(key=_revision_of)
    return spans


def _revision_of(span: tuple[str, SpanRow]) -> int:
    return span[1].revision
