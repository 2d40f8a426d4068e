"""How the embedded store writes its library: each function within a transaction of the caller."""

from __future__ import annotations

import msgspec

from hero_logic.core.search_text import name_key
from hero_logic.store import flow_index, flow_queries, writing
from hero_logic.store.flow_reading import count_plays, find
from hero_logic.store.refusals import flow_in_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

    from hero_logic.core.library import Flow, Publication


def publish(connection: sqlite3.Connection, publication: Publication) -> tuple[Flow, bool]:
    """Write a publication; the flow, and whether the version is new to it."""
    revision = writing.next_revision(connection)
    version = publication.version
    writing.add_version(connection, version)
    found = connection.execute(flow_queries.FIND_FLOW, (publication.name,)).fetchone()
    flow_id, said, tags, place = found or (None, "", "[]", None)
    if place is not None:
        flow_index.drop_words(connection, place)
    values = (
        name_key(publication.name),
        said if publication.description is None else publication.description,
        publication.source_description,
        tags if publication.tags is None else msgspec.json.encode(publication.tags).decode(),
        version.version_sid,
        version.created_ms,
        revision,
        revision,
    )
    if flow_id is None:
        sid_and_name = (publication.new_flow_sid, publication.name)
        added = connection.execute(flow_queries.ADD_FLOW, (*values, *sid_and_name, version.created_ms))
        flow_id = added.lastrowid
    is_new = connection.execute(
        flow_queries.ADD_VERSION, (flow_id, version.version_sid, version.created_ms, flow_id)
    ).rowcount
    connection.execute(flow_queries.CHANGE_FLOW, (*values, flow_id))
    flow = find(connection, publication.name)[2]
    _add_words(connection, revision, flow)
    return flow, bool(is_new)


def archive(connection: sqlite3.Connection, flow_sid: str, *, is_archived: bool) -> tuple[Flow, bool]:
    """Say whether a flow is archived; the flow, and whether that is news.

    Raises:
        NotFound: there is no such flow.
    """
    flow_id, place, flow = find(connection, flow_sid)
    if flow.is_archived == is_archived:
        return flow, False
    revision = writing.next_revision(connection)
    connection.execute(flow_queries.ARCHIVE_FLOW, (is_archived, revision, flow_id))
    if is_archived:
        flow_index.drop_words(connection, place)
    else:
        _add_words(connection, place, flow)
    return find(connection, flow_sid)[2], True


def delete(connection: sqlite3.Connection, flow_sid: str) -> int:
    """Remove a flow, and what nothing else has of it; the revision of that.

    Raises:
        NotFound: there is no such flow.
        FlowInUse: it is not archived, and a play ran a version of it.
    """
    flow_id, place, flow = find(connection, flow_sid)
    if not flow.is_archived and count_plays(connection, flow_id, 1):
        raise flow_in_use(flow.name)
    revision = writing.next_revision(connection)
    flow_index.drop_words(connection, place)
    versions = connection.execute(flow_queries.VERSIONS_OF, (flow_id,)).fetchall()
    connection.execute(flow_queries.DELETE_VERSIONS_OF, (flow_id,))
    connection.execute(flow_queries.DELETE_FLOW, (flow_id,))
    connection.executemany(flow_queries.DROP_VERSION, versions)
    return revision


def _add_words(connection: sqlite3.Connection, place: int, flow: Flow) -> None:
    source = connection.execute(flow_queries.SOURCE_OF, (flow.version_sid,)).fetchone()[0]
    flow_index.add_words(
        connection, place, name=flow.name, description=flow.description, tags=flow.tags, source=source
    )
