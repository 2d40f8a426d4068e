"""The example workflows, and what runs of each come to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent / "examples"


@dataclass
class Case:
    """One run of an example."""

    example: str
    text: str
    """The workflow's file."""
    facts: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.example}: {self.facts['name']}"

    @property
    def workflow(self) -> dict[str, Any]:
        """The workflow itself."""
        found = json.loads(self.text)
        assert isinstance(found, dict)
        return found


class Answers:
    """What the services of a case answer, call by call."""

    def __init__(self, case: Case) -> None:
        self.left = {node_id: list(answers) for node_id, answers in case.facts.get("answers", {}).items()}

    def next(self, node_id: str) -> Any:
        """The next answer for a node.

        Raises:
            RuntimeError: it is an error.
        """
        answer = self.left[node_id].pop(0)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("result", answer)


def cases() -> list[Case]:
    """All cases of all examples."""
    return [
        Case(path.name.split(".")[0], (EXAMPLES / path.name.replace(".cases", "")).read_text(), facts)
        for path in sorted(EXAMPLES.glob("*.cases.json"))
        for facts in json.loads(path.read_text())["cases"]
    ]
