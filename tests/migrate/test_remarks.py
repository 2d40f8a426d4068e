"""What the report says of parts that are not just translated."""

from __future__ import annotations

from hero_logic.migrate import translate
from migrate.legacy import edge, script, workflow

NODES = [script(f"output = {{'n': '{name}'}}", name) for name in ("x", "y", "z", "h", "k")]
CHAIN = [
    edge("x", "y"),
    edge("y", "z"),
    edge("z", "h", condition="failed"),
    edge("y", "k", condition="failed"),
]


def codes(*retries: dict[str, object]) -> set[str]:
    report = translate(workflow(NODES, [*CHAIN, *retries])).report
    return {entry.code for entry in report.entries if entry.code}


def test_one_loop_is_translated() -> None:
    """Nothing is said of it."""
    assert codes(edge("h", "y", kind="retry")) == set()


def test_loops_that_overlap_run_one_after_another() -> None:
    """Their nodes are in one loop, and the report says so."""
    assert codes(edge("h", "y", kind="retry"), edge("h", "x", kind="retry")) == {"one_after_another"}


def test_loops_that_wait_for_each_other_are_left_to_a_person() -> None:
    """Each handler may still run, and what depends on the other's end waits for it."""
    assert codes(edge("h", "y", kind="retry"), edge("k", "x", kind="retry")) == {"entangled_loops"}
