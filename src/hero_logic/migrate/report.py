"""What became of each part of a workflow: translated, translated with a remark, or left to a person.

Nothing is left out: a node that became code without more ado has its row too. The codes are stable, and
docs/migration.md has a row for each (tests hold it to that).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from hero_logic.migrate.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterable

Outcome = Literal["translated", "remark", "person"]

REMARKS = {
    "kept_key": "a key that the format does not know stands in the flow as a comment",
    "script_as_text": "a script stays a text of its own, since it would mean something else in a function",
    "foreign_language": "a script in a language that is not Python: its step fails, and names it",
    "instant_timeout": "a timeout of a node that takes no time is not kept",
    "loose_reference": "an expression looks at a node that it does not wait for",
    "never_true": "a condition that no run can make true",
    "free_inputs": "an input whose name no parameter can have is taken by hand",
    "one_after_another": "nodes of loops that overlap run one after another",
}
"""Each remark that the report may hold: what it says of the flow."""

NEEDS_PERSON = {
    "unknown_workflow": "a subworkflow that is not beside it: its step fails until it is there",
    "entangled_loops": "retry edges whose loops wait for each other",
    "service_name": "a service that cannot be granted under its name: its step fails",
    "hidden_method": "a method of a service whose name begins with an underscore",
}
"""Each thing that a person has to do: why the flow is not complete without."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one part of the workflow.

    Attributes:
        outcome: ``translated``, ``remark`` or ``person``.
        code: of a remark or of what a person has to do; "" where all went well.
        part: the ``node_id``, or what else it is: ``workflow``, ``input NAME``, ``edge A -> B``.
        says: what happened, with the value, and what to do.
        pointer: the place in the legacy file, as a JSON pointer.
        line: the same as a line, from 1.
        column: and a column, from 1.
        target_line: the line of the flow where it stands now; 0 where it stands nowhere.
    """

    outcome: Outcome
    code: str
    part: str
    says: str
    pointer: str
    line: int = 0
    column: int = 0
    target_line: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """All of it, in the order of the file.

    Attributes:
        workflow: the name of the workflow.
        flow: the name of the function that it became.
        entries: what became of each part.
        required: the inputs that it cannot do without: the name of each, and its type in the workflow.
        services: the names of the services that it calls itself, in the order of the alphabet.
        flows: the flows that it calls, which subworkflows became.
    """

    workflow: str
    flow: str
    entries: tuple[Entry, ...]
    required: tuple[tuple[str, str], ...] = ()
    services: tuple[str, ...] = ()
    flows: tuple[str, ...] = ()

    @property
    def needs_person(self) -> bool:
        """Whether something is left for a person to do."""
        return any(entry.outcome == "person" for entry in self.entries)

    def count(self, outcome: Outcome) -> int:
        """How many parts came out so."""
        return sum(entry.outcome == outcome for entry in self.entries)

    def as_document(self) -> dict[str, object]:
        """The report as JSON: docs/migration.md has the keys."""
        return {
            "workflow": self.workflow,
            "flow": self.flow,
            "required": [{"name": name, "type": kind} for name, kind in self.required],
            "services": list(self.services),
            "flows": list(self.flows),
            "entries": [
                {
                    "outcome": entry.outcome,
                    "code": entry.code,
                    "part": entry.part,
                    "says": entry.says,
                    "pointer": entry.pointer,
                    "line": entry.line,
                    "column": entry.column,
                    "target_line": entry.target_line,
                }
                for entry in self.entries
            ],
        }


@dataclass(frozen=True, slots=True)
class Migration:
    """A workflow as a flow.

    Attributes:
        source: the Python source of the flow's file.
        report: what became of each part.
    """

    source: str
    report: Report


def placed(entries: Iterable[Entry], text: str) -> tuple[Entry, ...]:
    """The entries with the lines and columns of their pointers in the legacy file's text."""
    found = list(entries)
    places = Places(text, [entry.pointer for entry in found])
    return tuple(
        replace(entry, line=line, column=column)
        for entry, (line, column) in zip(
            found, map(places.of, (entry.pointer for entry in found)), strict=True
        )
    )
