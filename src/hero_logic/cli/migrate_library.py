"""``hero-logic migrate --library``: the workflows of before in the library become flows there.

Each flow whose current version holds one gets a version in Python, which is the current one from then on; the
workflow stays as the version before it. Name, description and tags are those that the flow has. Flows that
are archived stay as they are.
"""

from __future__ import annotations

from hero_logic.core.errors import InvalidWorkflow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from hero_logic.core.library import FlowDetails, FlowPage, FlowPut
    from hero_logic.migrate import Migration

    class Flows(Protocol):
        """What is asked of the library."""

        def list(self, *, limit: int = 20, cursor: str | None = None) -> FlowPage:
            """A page of flows."""
            ...

        def get(self, flow_sid: str) -> FlowDetails:
            """A flow, with the source of its current version."""
            ...

        def put(self, *, name: str, python_source: str) -> FlowPut:
            """Publish a version."""
            ...


_PAGE = 100


class LibraryMigration:
    """What became of one flow of the library.

    Attributes:
        name: the flow's.
        legacy_version_sid: the version that holds the workflow.
        migration: the flow in Python; None where the workflow means nothing.
        invalid: why it means nothing; None where it does.
        put: what became of the new version; None where nothing was to be published.
    """

    __slots__ = ("invalid", "legacy_version_sid", "migration", "name", "put")

    def __init__(
        self,
        name: str,
        legacy_version_sid: str,
        *,
        migration: Migration | None = None,
        invalid: InvalidWorkflow | None = None,
        put: FlowPut | None = None,
    ) -> None:
        self.name = name
        self.legacy_version_sid = legacy_version_sid
        self.migration = migration
        self.invalid = invalid
        self.put = put


def migrate_library(
    flows: Flows, translate: Callable[[str], Migration], *, publishes: bool
) -> Iterator[LibraryMigration]:
    """Migrate the workflows that the library holds, by the names of their flows.

    Args:
        flows: the library.
        translate: :func:`hero_logic.migrate.translate`.
        publishes: whether the new versions are published; else it is only said what would become of them.

    A workflow that means nothing keeps no other one from becoming a flow.
    """
    for name in sorted(_legacy_names(flows)):
        held = flows.get(name)
        try:
            migration = translate(held.source)
        except InvalidWorkflow as invalid:
            yield LibraryMigration(name, held.version_sid, invalid=invalid)
            continue
        put = flows.put(name=name, python_source=migration.source) if publishes else None
        yield LibraryMigration(name, held.version_sid, migration=migration, put=put)


def _legacy_names(flows: Flows) -> Iterator[str]:
    page = flows.list(limit=_PAGE)
    while True:
        yield from (flow.name for flow in page.flows if flow.kind == "legacy_dag")
        if page.next is None:
            return
        page = flows.list(limit=_PAGE, cursor=page.next)
