"""How the embedded store reads its library: each function within a transaction of the caller."""

from __future__ import annotations

import msgspec

from hero_logic.core.library import Flow, PublishedVersion
from hero_logic.store import flow_queries
from hero_logic.store.refusals import no_such_flow

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from typing import Any

_PAST_EVERY_NUMBER = 2**63 - 1
_PAST_EVERY_CHARACTER = "\U0010ffff"


def find(connection: sqlite3.Connection, flow: str) -> tuple[int, int, Flow]:
    """The id of a flow, the place of its words, and the flow.

    Raises:
        NotFound: there is none of that sid or name.
    """
    for statement in (flow_queries.FLOW_BY_SID, flow_queries.FLOW_BY_NAME):
        values = connection.execute(statement, (flow,)).fetchone()
        if values is not None:
            return values[0], values[1], _flow(values)
    raise no_such_flow(flow)


def listed(
    connection: sqlite3.Connection, *, limit: int, before: int | None, archived: bool
) -> list[tuple[int, Flow]]:
    """A page of flows, each with its place in the list."""
    place = _PAST_EVERY_NUMBER if before is None else before
    rows = connection.execute(flow_queries.LIST_FLOWS, (archived, place, max(limit, 0)))
    return [(values[0], _flow(values)) for values in rows]


def newest(connection: sqlite3.Connection, limit: int) -> list[Flow]:
    """Flows, the one of which something was published last first."""
    return [_flow(values) for values in connection.execute(flow_queries.NEWEST_FLOWS, (max(limit, 0),))]


def at(connection: sqlite3.Connection, places: Iterable[int]) -> list[Flow]:
    """The flows whose words have these places."""
    return [
        _flow(connection.execute(flow_queries.FLOW_BY_PUBLISHED, (place,)).fetchone()) for place in places
    ]


def versions(
    connection: sqlite3.Connection, flow_sid: str, *, limit: int, before: int | None
) -> list[PublishedVersion]:
    """A page of a flow's versions."""
    flow_id, _, flow = find(connection, flow_sid)
    number = _PAST_EVERY_NUMBER if before is None else before
    rows = connection.execute(flow_queries.FLOW_VERSIONS, (flow.version_sid, flow_id, number, max(limit, 0)))
    return [_version(values) for values in rows]


def versions_with(connection: sqlite3.Connection, flow_sid: str, prefix: str, limit: int) -> list[str]:
    """The sids of a flow's versions that begin with a prefix."""
    flow_id = find(connection, flow_sid)[0]
    between = (flow_id, prefix, prefix + _PAST_EVERY_CHARACTER, max(limit, 0))
    return [sid for (sid,) in connection.execute(flow_queries.FIND_VERSIONS, between)]


def count_plays(connection: sqlite3.Connection, flow_id: int, limit: int) -> int:
    """How many plays ran a version of a flow, up to a limit."""
    return int(connection.execute(flow_queries.COUNT_PLAYS, (flow_id, max(limit, 0))).fetchone()[0])


def _flow(values: Sequence[Any]) -> Flow:
    """A flow, from its id, its place and the ``FLOW_COLUMNS``."""
    return Flow(
        flow_sid=values[2],
        name=values[3],
        description=values[4],
        tags=msgspec.json.decode(values[5], type=list[str]),
        is_archived=bool(values[6]),
        version_sid=values[7],
        kind=values[8],
        versions=values[9],
        created_ms=values[10],
        published_ms=values[11],
        revision=values[12],
    )


def _version(values: Sequence[Any]) -> PublishedVersion:
    return PublishedVersion(
        version_sid=values[0],
        number=values[1],
        kind=values[2],
        created_ms=values[3],
        is_current=bool(values[4]),
        source_bytes=values[5],
    )
