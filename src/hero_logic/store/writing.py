"""How the embedded store writes: each function within a transaction of the caller."""

from __future__ import annotations

from hero_logic.core.lifecycle import is_terminal
from hero_logic.core.records import PUSHED_SOURCES
from hero_logic.store import queries, queue_queries, rows
from hero_logic.store.refusals import has_ended, no_such_play, not_stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from hero_logic.core.records import FlowVersion, Play, PlayOrder, SpanDelta, SpanRow

_VALUES_AT_ONCE = queries.SPANS_AT_ONCE * len(queries.SPAN_COLUMNS)


def find_play(connection: sqlite3.Connection, sid: str) -> tuple[int, str]:
    """The id and the status of a play.

    Raises:
        NotFound: there is no such play.
    """
    found: tuple[int, str] | None = connection.execute(queries.FIND_PLAY, (sid,)).fetchone()
    if found is None:
        raise no_such_play(sid)
    return found


def read_revision(connection: sqlite3.Connection) -> int:
    """The revision of the last change."""
    return int(connection.execute(queries.READ_REVISION).fetchone()[0])


def next_revision(connection: sqlite3.Connection) -> int:
    """Take one revision."""
    revision = read_revision(connection) + 1
    connection.execute(queries.WRITE_REVISION, (revision,))
    return revision


def add_play(connection: sqlite3.Connection, play: Play, order: PlayOrder | None) -> int:
    """Add a play, and what it is to be run with; give its revision."""
    revision = next_revision(connection)
    added = connection.execute(queries.ADD_PLAY, rows.play_values(play, revision))
    connection.execute(
        queries.ADD_PLAY_TEXTS,
        (added.lastrowid, play.input_json, play.output_json, play.stdout, play.stderr),
    )
    if order is not None:
        connection.execute(queue_queries.ADD_ORDER, (added.lastrowid, rows.order_text(order)))
    connection.execute(queue_queries.COUNT_PLAY, (1, rows.artifact_bytes(play)))
    return revision


def add_version(connection: sqlite3.Connection, version: FlowVersion) -> None:
    """Add a version and its flow, each unless it is known."""
    connection.execute(queries.ADD_FLOW, (version.flow_name, version.path, version.created_ms))
    connection.execute(
        queries.ADD_VERSION,
        (
            version.version_sid,
            version.created_ms,
            version.source,
            version.kind,
            version.flow_name,
            version.path,
        ),
    )


def write_delta(
    connection: sqlite3.Connection, sid: str, delta: SpanDelta, *, after: int, closing: bool
) -> int:
    """Write what changed in a play, with the revisions that follow on ``after``; give the last of them.

    Raises:
        NotFound: there is no such play.
        IllegalMove: it has ended, and this is not its ``closing``.
        StoreError: a row has a NUL, or is said to be stored and is not.
    """
    play, status = find_play(connection, sid)
    if is_terminal(status) and not closing:
        raise has_ended(sid, status)
    _write_rows(connection, play, delta.rows, after=after)
    revision = after + len(delta.rows) + 1
    _write_marks(connection, queries.WRITE_WRITER, play, delta.writers)
    _write_marks(connection, queries.WRITE_POSITION, play, delta.positions)
    folded = [delta.positions[source] for source in PUSHED_SOURCES if source in delta.positions]
    if folded:
        connection.execute(queue_queries.FORGET_FOLDED, (play, max(folded)))
    total = delta.counters
    connection.execute(
        queries.WRITE_TOTALS,
        (
            total.events,
            total.malformed,
            total.oversize,
            total.repeated,
            total.truncated,
            delta.span_count,
            revision,
            play,
        ),
    )
    return revision


def mark_as_stored(deltas: Mapping[str, SpanDelta], *, after: int) -> None:
    """Tell the rows that they are on disk, and with which revisions: those :func:`write_delta` gave them."""
    for delta in deltas.values():
        for revision, row in enumerate(delta.rows, after + 1):
            row.is_stored = row.is_start_stored = True
            row.revision = revision
        after += len(delta.rows) + 1


def _write_rows(connection: sqlite3.Connection, play: int, changed: list[SpanRow], *, after: int) -> None:
    """Write span rows, each with the next revision after ``after``."""
    new: list[object] = []  # the values of one row after the other
    restarted: list[tuple[object, ...]] = []
    known: list[tuple[object, ...]] = []
    logs: list[tuple[object, ...]] = []
    for revision, row in enumerate(changed, after + 1):
        new_logs = row.new_logs
        if row.is_start_stored:
            known.append(rows.rest_of_span_values(play, row, revision))
        elif row.is_stored:
            restarted.append(rows.changed_span_values(play, row, revision))
        elif rows.is_inline(row):
            new += rows.new_span_values(play, row, revision, new_logs)
            continue
        else:
            new += rows.new_span_values(play, row, revision, "")
        if new_logs:
            logs.append((play, row.ordinal, revision, new_logs))
    _add_spans(connection, new)
    _update_spans(connection, queries.UPDATE_SPAN, restarted)
    _update_spans(connection, queries.UPDATE_REST_OF_SPAN, known)
    connection.executemany(queries.ADD_LOGS, logs)


def _add_spans(connection: sqlite3.Connection, values: list[object]) -> None:
    """Add spans, as many as the values are for, in statements of many rows and the rest one by one."""
    rest = len(values) - len(values) % _VALUES_AT_ONCE
    connection.executemany(
        queries.ADD_SPANS, [values[at : at + _VALUES_AT_ONCE] for at in range(0, rest, _VALUES_AT_ONCE)]
    )
    width = len(queries.SPAN_COLUMNS)
    connection.executemany(
        queries.ADD_SPAN, [values[at : at + width] for at in range(rest, len(values), width)]
    )


def _update_spans(connection: sqlite3.Connection, statement: str, changed: list[tuple[object, ...]]) -> None:
    updated = connection.executemany(statement, changed).rowcount
    if changed and updated != len(changed):
        raise not_stored(len(changed) - updated)


def _write_marks(connection: sqlite3.Connection, statement: str, play: int, marks: dict[str, int]) -> None:
    """Write how far each writer, or each source, has come."""
    if marks:
        connection.executemany(statement, [(play, name, mark) for name, mark in marks.items()])
