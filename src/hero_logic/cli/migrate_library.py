"""``hero-logic migrate --library``: the workflows of before in the library become flows there.

Each flow whose current version holds one gets a version in Python, which is the current one from then on; the
workflow stays as the version before it. Name, description and tags are those that the flow has. Flows that
are archived stay as they are.
"""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_FAILED, EXIT_OK, EXIT_USAGE, put, put_json, say
from hero_logic.cli.migrate_report import counts_text, fault_documents, put_entries, run_command
from hero_logic.core.errors import InvalidWorkflow, UsageError
from hero_logic.core.wire import escape_controls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hero_logic.client import Client
    from hero_logic.client.seam import FlowLibrary
    from hero_logic.core.library import FlowPut
    from hero_logic.migrate import Migration

_PAGE = 100


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Migrate the library; 0, 1 where something needs a person, 2 where a workflow means nothing."""
    from hero_logic.migrate import translate

    if arguments.paths or arguments.force or arguments.out != ".":
        raise UsageError(
            "--library takes the workflows from the library, and writes no files: leave out the rest."
        )
    with client.read() as reading:
        done = list(migrate_library(reading.flows, translate, publishes=not arguments.check))
    if arguments.json:
        put_json([_document(done)])
    else:
        for one in done:
            _put(one, lists_all=arguments.all)
        if not done:
            say("There is no workflow to migrate in the library.")
    for one in done:
        if one.invalid is not None:
            say(f"hero-logic: {one.invalid}")
    return max(map(_status, done), default=EXIT_OK)


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

    @property
    def is_refused(self) -> bool:
        """Whether the library did not take the version in Python; its problems say why."""
        return self.put is not None and self.put.version_sid is None


def migrate_library(
    flows: FlowLibrary, translate: Callable[..., Migration], *, publishes: bool
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
            migration = translate(held.source, name=name)
        except InvalidWorkflow as invalid:
            yield LibraryMigration(name, held.version_sid, invalid=invalid)
            continue
        put = flows.put(name=name, python_source=migration.source) if publishes else None
        yield LibraryMigration(name, held.version_sid, migration=migration, put=put)


def _legacy_names(flows: FlowLibrary) -> Iterator[str]:
    page = flows.list(limit=_PAGE)
    while True:
        yield from (flow.name for flow in page.flows if flow.kind == "legacy_dag")
        if page.next is None:
            return
        page = flows.list(limit=_PAGE, cursor=page.next)


# --- The report ----------------------------------------------------------------------------------------


def _status(one: LibraryMigration) -> int:
    if one.migration is None:
        return EXIT_USAGE
    return EXIT_FAILED if one.migration.report.needs_person or one.is_refused else EXIT_OK


def _put(one: LibraryMigration, *, lists_all: bool) -> None:
    if one.migration is None:
        return
    report = one.migration.report
    name = escape_controls(one.name)
    if one.put is None:
        became = "would become a version in Python"
    elif one.put.version_sid is None:
        became = "did not become a version in Python, see below"
    else:
        became = f"-> version {one.put.version_sid[:8]}"
    put(f"{name}@{one.legacy_version_sid[:8]} {became}: {counts_text(report)}\n")
    put_entries(report, path=f"{one.name}@{one.legacy_version_sid[:8]}", target=one.name, lists_all=lists_all)
    for problem in one.put.problems if one.put is not None else ():
        told = escape_controls(problem.message)
        put(f"  {problem.severity} [{problem.code}] {told} ({name}:{problem.line})\n")
    if one.put is not None and not one.is_refused:
        put(f"  run it: {escape_controls(run_command(report, one.name, report.services))}\n")


def _document(done: list[LibraryMigration]) -> bytes:
    import json

    migrated = [
        {
            "name": one.name,
            "legacy_version_sid": one.legacy_version_sid,
            "version_sid": None if one.put is None else one.put.version_sid,
            "problems": [] if one.put is None else [problem.message for problem in one.put.problems],
            **one.migration.report.as_document(),
            "run": run_command(one.migration.report, one.name, one.migration.report.services),
        }
        for one in done
        if one.migration is not None
    ]
    refused = [
        {
            "name": one.name,
            "legacy_version_sid": one.legacy_version_sid,
            "faults": fault_documents(one.invalid),
        }
        for one in done
        if one.invalid is not None
    ]
    return json.dumps({"migrated": migrated, "refused": refused}, indent=2).encode()
