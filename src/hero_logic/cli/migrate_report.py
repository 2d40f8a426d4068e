"""What ``hero-logic migrate`` prints of a workflow, from files and from the library alike."""

from __future__ import annotations

from hero_logic.cli.main import put
from hero_logic.core.wire import escape_controls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from hero_logic.core.errors import InvalidWorkflow
    from hero_logic.migrate import Report

_SAMPLES = {
    "string": "TEXT",
    "number": "NUMBER",
    "integer": "INTEGER",
    "boolean": "true",
    "object": "{}",
    "array": "[]",
}
_MARKS = {"translated": "translated", "remark": "remark", "person": "needs a person"}


def counts_text(report: Report) -> str:
    """How much of a workflow came out in which way; what there is none of is left out.

    What was translated is counted with what has a remark, since that was translated too.
    """
    remarks, left = report.count("remark"), report.count("person")
    done = report.count("translated") + remarks
    parts = "part" if done == 1 else "parts"
    told = f"{done} {parts} translated"
    if remarks:
        told += f", {remarks} of them with a remark"
    return f"{told}, {left} for a person to do" if left else told


def put_entries(report: Report, *, path: str, target: str, lists_all: bool) -> None:
    """Print what became of the parts, those without a remark only if all are wanted.

    Args:
        report: of a workflow.
        path: the name of its file, or of what else holds it.
        target: the name of the flow's file.
        lists_all: whether every part has its line.
    """
    for entry in report.entries:
        if entry.outcome == "translated" and not lists_all:
            continue
        code = f" [{entry.code}]" if entry.code else ""
        there = f", {target}:{entry.target_line}" if entry.target_line else ""
        place = f"{path}:{entry.line}:{entry.column}{there}"
        says = f": {entry.says}" if entry.says else ""
        put(f"  {_MARKS[entry.outcome]}{code} {escape_controls(f'{entry.part}{says} ({place})')}\n")


def all_services(reports: Iterable[Report]) -> dict[str, tuple[str, ...]]:
    """The services that each flow calls, by the flow's name: itself, and by the flows that it calls."""
    by_flow = {report.flow: report for report in reports}
    found = {}
    for flow in by_flow:
        reached, left = {flow}, [flow]
        while left:
            for called in by_flow[left.pop()].flows:
                if called in by_flow and called not in reached:
                    reached.add(called)
                    left.append(called)
        found[flow] = tuple(sorted({name for reach in reached for name in by_flow[reach].services}))
    return found


def run_command(report: Report, flow: str, services: Iterable[str]) -> str:
    """The command that plays a flow, with all that it cannot do without.

    Args:
        report: of the workflow.
        flow: the file of the flow, or its name in the library.
        services: those that are to be granted.
    """
    import shlex

    words = [shlex.quote(flow if not flow.startswith("-") else f"./{flow}")]
    words += [f"-i {shlex.quote(f'{name}={_SAMPLES[kind]}')}" for name, kind in report.required]
    words += [f"--rpc {shlex.quote(f'{name}=SOCKET')}" for name in services]
    return f"hero-logic run {' '.join(words)}"


def fault_documents(invalid: InvalidWorkflow) -> list[dict[str, object]]:
    """All faults of a workflow, as JSON has them."""
    return [
        {"says": fault.says, "pointer": fault.pointer, "line": fault.line, "column": fault.column}
        for fault in invalid.faults
    ]
