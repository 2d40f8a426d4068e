"""The part of the embedded store that is about the library.

What reads and writes it is loaded with the first call: a command that runs a play has none of it.
"""

from __future__ import annotations

from hero_logic.store.contract import Commit

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from _thread import LockType
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from hero_logic.core.library import Flow, Publication, PublishedVersion


class SqliteFlows:
    """See :class:`hero_logic.store.flow_contract.FlowStore`; ``SqliteStore`` has the connections."""

    _write_lock: AbstractContextManager[None]
    _read_lock: LockType

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def _tell(self, commit: Commit) -> None:
        raise NotImplementedError

    def put_flow(self, publication: Publication) -> tuple[Flow, bool]:
        """Publish a version under a name; the flow, and whether it got a new version (flow_contract.py)."""
        from hero_logic.store import flow_writing

        with self._write_lock:
            with self._writing() as connection:
                flow, is_new = flow_writing.publish(connection, publication)
            self._tell(Commit(flow.revision))
        return flow, is_new

    def find_flow(self, flow: str) -> Flow:
        """A flow by its sid or its name, archived ones too (flow_contract.py)."""
        from hero_logic.store import flow_reading

        with self._read_lock, self._reading() as connection:
            return flow_reading.find(connection, flow)[2]

    def list_flows(
        self, *, limit: int, before: int | None = None, archived: bool = False
    ) -> list[tuple[int, Flow]]:
        """Flows with their places, in a fixed order (flow_contract.py)."""
        from hero_logic.store import flow_reading

        with self._read_lock, self._reading() as connection:
            return flow_reading.listed(connection, limit=limit, before=before, archived=archived)

    def newest_flows(self, *, limit: int) -> list[Flow]:
        """Flows, the one of which something was published last first (flow_contract.py)."""
        from hero_logic.store import flow_reading

        with self._read_lock, self._reading() as connection:
            return flow_reading.newest(connection, limit)

    def search_flows(self, words: Sequence[str], *, limit: int) -> list[Flow]:
        """Flows that have these words, the best first (flow_contract.py)."""
        from hero_logic.store import flow_index, flow_reading

        with self._read_lock, self._reading() as connection:
            return flow_reading.at(connection, flow_index.search(connection, words, max(limit, 0)))

    def flow_versions(
        self, flow_sid: str, *, limit: int, before: int | None = None
    ) -> list[PublishedVersion]:
        """Versions of a flow, the one that it got last first (flow_contract.py)."""
        from hero_logic.store import flow_reading

        with self._read_lock, self._reading() as connection:
            return flow_reading.versions(connection, flow_sid, limit=limit, before=before)

    def find_versions(self, flow_sid: str, prefix: str, *, limit: int) -> list[str]:
        """The sids of the versions of a flow that begin with a prefix (flow_contract.py)."""
        from hero_logic.store import flow_reading

        with self._read_lock, self._reading() as connection:
            return flow_reading.versions_with(connection, flow_sid, prefix, limit)

    def archive_flow(self, flow_sid: str, *, is_archived: bool) -> Flow:
        """Say whether a flow is archived; the flow as it stands then (flow_contract.py)."""
        from hero_logic.store import flow_writing

        with self._write_lock:
            with self._writing() as connection:
                flow, is_changed = flow_writing.archive(connection, flow_sid, is_archived=is_archived)
            if is_changed:
                self._tell(Commit(flow.revision))
        return flow

    def count_plays(self, flow_sid: str, *, limit: int) -> int:
        """How many plays ran a version of a flow, counted up to a limit (flow_contract.py)."""
        from hero_logic.store import flow_reading

        with self._read_lock, self._reading() as connection:
            flow_id = flow_reading.find(connection, flow_sid)[0]
            return flow_reading.count_plays(connection, flow_id, limit)

    def delete_flow(self, flow_sid: str) -> None:
        """Remove a flow, and what nothing else has of it (flow_contract.py)."""
        from hero_logic.store import flow_writing

        with self._write_lock:
            with self._writing() as connection:
                revision = flow_writing.delete(connection, flow_sid)
            self._tell(Commit(revision))
