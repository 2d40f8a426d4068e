"""The stub inside a play makes members and instances of the flow's own classes of its input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.runtime import run_flow, write_flow

FLOW = """
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from hero_tracing import flow


class Colour(Enum):
    RED = "red"


class Size(Enum):
    SMALL = auto()


@dataclass
class Point:
    x: float
    colour: Colour = Colour.RED
    next: Point | None = None

    def __post_init__(self):
        if self.x < 0:
            raise ValueError("x is below 0")


@flow
def main(at: list[Point] | None = None, colour: Colour = Colour.RED, size: Size | None = None, **more: Point):
    return repr([at, colour, size, more])
"""


def run(tmp_path: Path, *inputs: str) -> Any:
    path = tmp_path / "a_flow.py"
    path.write_text(FLOW, encoding="utf-8")
    return run_flow(tmp_path / "home", str(path), *inputs)


def test_a_flow_gets_what_it_declares(tmp_path: Path) -> None:
    """Instances inside of lists and of one another, and members by value and by name."""
    ran = run(
        tmp_path,
        'at=[{"x": 1, "next": {"x": 2, "colour": "red"}}]',
        "colour=red",
        "size=SMALL",
        'extra={"x": 3}',
    )

    red = "<Colour.RED: 'red'>"
    assert ran["output"] == (
        f"[[Point(x=1.0, colour={red}, next=Point(x=2.0, colour={red}, next=None))], {red}, "
        f"<Size.SMALL: 1>, {{'extra': Point(x=3.0, colour={red}, next=None)}}]"
    )


def test_the_input_is_recorded_as_it_was_given(tmp_path: Path) -> None:
    """What is made of it is the play's own matter."""
    ran = run(tmp_path, 'at=[{"x": 1}]', "size=SMALL")

    assert ran["input"] == {"at": [{"x": 1.0}], "size": "SMALL"}


def test_what_a_class_refuses_is_told_with_its_place(tmp_path: Path) -> None:
    """Without a traceback of ours: it is the one who called the flow that has to mend it."""
    ran = run(tmp_path, 'at=[{"x": 1}, {"x": -1}]')

    assert ran["status"] == "failed"
    assert ran["error"].startswith("the input at[1] is not taken: ValueError: x is below 0")
    assert "Traceback" not in ran["error"]


@pytest.mark.parametrize("inputs", [[], ["colour=red"]])
def test_defaults_are_left_to_the_flow(tmp_path: Path, inputs: list[str]) -> None:
    """What is not given is not made."""
    assert run(tmp_path, *inputs)["output"] == "[None, <Colour.RED: 'red'>, None, {}]"


def test_a_class_that_is_gone_by_then_is_told(tmp_path: Path) -> None:
    """The source named it; running the module took it away."""
    path = write_flow(
        tmp_path,
        "import enum\nclass C(enum.Enum):\n    A = 1\n@flow\ndef main(x: C): pass\nglobals().pop('C')\n",
    )
    ran = run_flow(tmp_path / "home", path, "x=1")

    assert (ran["status"], "the input x is not taken" in ran["error"]) == ("failed", True)
