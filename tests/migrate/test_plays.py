"""How the tests play migrated flows: what they say of a play is what the play did."""

from __future__ import annotations

from pathlib import Path

from migrate.plays import stage

FLOW = """
from hero_tracing import flow

@flow
def main(n: int):
    for _ in range(n):
        with flow.step("work", node_id="a"):
            pass
    with flow.step("left out", node_id="b", skipped=True):
        pass
    with flow.step("fails", node_id="c"):
        return {"n": 6 // n}
"""


def test_what_a_play_did_is_told_by_its_steps(tmp_path: Path) -> None:
    """A try for each step, none for one that is skipped; the output, or that it failed, or did not begin."""
    with stage(tmp_path) as played:
        done = played.play(FLOW, {"n": 2})
        failed = played.play(FLOW, {"n": 0})
        refused = played.play(FLOW, {"n": "x"})

    assert (done.status, done.output, done.tries) == ("ok", {"n": 3}, {"a": 2, "c": 1})
    assert done.skipped_at_least_once == {"b"}
    assert (failed.status, failed.output, failed.ran) == ("failed", None, {"c"})
    assert (refused.status, refused.ran) == ("failed", set())
