"""What a migrated flow does at the same time, and what it ends early: as real plays, by scripts that wait.

The scripts meet in ``builtins``, the one place that all of them have in common.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hero_logic.migrate import translate
from migrate.plays import Played, Stage, stage

SHARED = "import builtins, threading\nshared = builtins.__dict__.setdefault\n"
MEET = f"{SHARED}met = shared('met', threading.Barrier(2, timeout=20))\n"
EVENT = f"{SHARED}event = shared('event', threading.Event())\n"
AWAIT = f"{EVENT}output = {{'waited': event.wait(20)}}\n"
SET = f"{EVENT}event.set()\noutput = {{}}\n"
FOR_EVER = "import time\ntime.sleep(60)\noutput = {}\n"
QUICKLY_S = 20.0
"""A third of what a script that waits for ever would take; a play has much less to do."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage for all of them."""
    with stage(tmp_path_factory.mktemp("stage")) as opened:
        yield opened


def script(node_id: str, text: str, **more: Any) -> dict[str, Any]:
    """A node that runs a script."""
    config = {"language": "python", "script": text}
    return {"node_id": node_id, "node_type": "script_execution", "config": config, **more}


def edge(source: str, target: str, **more: Any) -> dict[str, Any]:
    """An edge."""
    return {"from_node": source, "to_node": target, **more}


def play(stage: Stage, nodes: list[dict[str, Any]], *edges: dict[str, Any]) -> tuple[Played, float]:
    """What became of a workflow that was migrated, and how long its play took, in seconds."""
    text = json.dumps({"name": "w", "description": "", "inputs": [], "nodes": nodes, "edges": list(edges)})
    source = translate(text).source
    began_s = time.monotonic()
    done = stage.play(source, {})
    return done, time.monotonic() - began_s


def test_nodes_that_are_ready_run_at_the_same_time(played: Stage) -> None:
    """At the start, and behind a node that both depend on."""
    meeting = f"{MEET}met.wait()\noutput = {{}}\n"
    at_start, _ = play(played, [script("a", meeting), script("b", meeting)])
    behind, _ = play(
        played,
        [script("first", "output = {}"), script("a", meeting), script("b", meeting)],
        edge("first", "a"),
        edge("first", "b"),
    )

    assert (at_start.status, behind.status) == ("ok", "ok"), (at_start.error, behind.error)


def test_a_node_starts_as_soon_as_it_is_ready_whatever_else_runs(played: Stage) -> None:
    """Two parts that run side by side do not wait for each other, step by step."""
    done, _ = play(
        played, [script("long", AWAIT), script("a", "output = {}"), script("b", SET)], edge("a", "b")
    )

    assert done.output == {"long": {"waited": True}, "b": {}}, done.error


def test_what_depends_on_where_a_way_back_leads_waits_though_it_is_never_gone(played: Stage) -> None:
    """A retry edge whose condition is never true holds up as any other does, until its handler has run."""
    done, _ = play(
        played,
        [
            script("first", "output = {}"),
            script("fails", "import time\ntime.sleep(0.2)\nraise ValueError"),
            script("handler", "raise KeyError('the end')"),
            script("later", "output = {}"),
        ],
        edge("first", "fails"),
        edge("fails", "handler", condition="failed"),
        edge("first", "later"),
        edge("handler", "first", kind="retry", condition="false"),
    )

    assert done.status == "failed"
    assert "later" not in done.ran


def test_a_way_back_is_gone_while_something_else_runs(played: Stage) -> None:
    """Only what depends on where it leads has to wait."""
    done, _ = play(
        played,
        [
            script("long", AWAIT),
            script("work", f"assert inputs\n{SET}"),
            script("mend", "output = {'level': 1}"),
        ],
        edge("work", "mend", condition="failed", data_mapping={}),
        edge("mend", "work", kind="retry"),
    )

    assert (done.output, done.tries) == ({"waited": True}, {"long": 1, "work": 2, "mend": 1}), done.error


def test_a_node_that_takes_too_long_fails_at_once_in_each_try(played: Stage) -> None:
    """Its handler runs then; and what lingers of it does not hold up the end of the play."""
    done, took_s = play(
        played,
        [script("slow", FOR_EVER, timeout_ms=100, retry_count=2), script("handler", "output = inputs")],
        edge("slow", "handler", condition="failed"),
    )

    assert done.status == "ok", done.error
    assert done.tries == {"slow": 3, "handler": 1}
    assert ": " in done.output["error"] or done.output["error"]
    assert took_s < QUICKLY_S


def test_a_node_in_a_chain_that_takes_too_long_fails_the_play_at_once(played: Stage) -> None:
    """Nothing after it runs."""
    done, took_s = play(
        played,
        [script("slow", FOR_EVER, timeout_ms=100), script("next", "output = {}")],
        edge("slow", "next"),
    )

    assert (done.status, done.ran) == ("failed", {"slow"})
    assert took_s < QUICKLY_S


def test_a_result_that_comes_too_late_is_dropped(played: Stage) -> None:
    """The node went on as failed; what the script says later changes nothing."""
    late = f"{EVENT}event.wait(20)\ninputs['late'] = output = {{'late': True}}\n"
    done, _ = play(
        played,
        [
            script("slow", late, timeout_ms=100, on_error="continue"),
            script("next", f"{SET}output = sorted(inputs)\n"),
            script("last", "output = inputs"),
        ],
        edge("slow", "next"),
        edge("next", "last", data_mapping={"keys": "outputs"}),
        edge("slow", "last"),
    )

    assert set(done.output) == {"keys", "error"}, done.error
    assert done.output["keys"] == ["error"]


def test_a_node_within_its_time_is_as_if_it_had_none(played: Stage) -> None:
    """Its output comes, its step ends."""
    done, _ = play(played, [script("quick", "output = {'n': 1}", timeout_ms=30_000)])

    assert (done.output, done.tries) == ({"n": 1}, {"quick": 1}), done.error


def test_a_node_that_fails_the_run_ends_what_runs_beside_it(played: Stage) -> None:
    """At once; what would have come after that does not start."""
    done, took_s = play(
        played,
        [
            script("long", f"{EVENT}event.set()\n{FOR_EVER}"),
            script("after", "output = {}"),
            script("breaks", f"{EVENT}event.wait(20)\nraise ValueError('broken')\n"),
        ],
        edge("long", "after"),
    )

    assert (done.status, done.ran) == ("failed", {"long", "breaks"})
    assert "broken" in done.error
    assert took_s < QUICKLY_S


def test_waiting_takes_its_time_and_no_longer(played: Stage) -> None:
    """Two that wait at once take as long as one; a timeout bounds that too."""
    nodes = [{"node_id": name, "node_type": "wait", "config": {"duration_ms": 1500}} for name in ("a", "b")]
    long = {"node_id": "c", "node_type": "wait", "config": {"duration_ms": 60_000}}
    done, took_s = play(played, [*nodes, {**long, "timeout_ms": 50, "on_error": "continue"}])

    assert (done.output["a"], done.output["b"]) == ({}, {}), done.error
    assert set(done.output["c"]) == {"error"}
    assert 1.5 <= took_s < QUICKLY_S
