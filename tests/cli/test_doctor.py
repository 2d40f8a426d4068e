"""``hero-logic doctor``: the truth about this host, for a person and for a program."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hero_logic.cli import doctor
from hero_logic.client import Client
from hero_logic.core.tiers import ISOLATIONS, WATCHER, Proof
from support.command import hero_logic
from support.forked import has_landlock, has_namespaces

ALL = (*ISOLATIONS, WATCHER)


class Host:
    """What a client says of a host that proves some things and not others."""

    def __init__(self, *granted: str) -> None:
        self.granted = granted
        self.asked: list[str | None] = []

    def prove(self, python: str | None = None) -> Iterator[Proof]:
        self.asked.append(python)
        for name in ALL:
            is_granted = name in self.granted
            problem = "" if is_granted else f"{name}: refused"
            yield Proof(name, is_granted=is_granted, problem=problem, remedy=problem and f"mend {name}")


def run(
    capfd: pytest.CaptureFixture[str], *granted: str, as_json: bool = False, python: str | None = None
) -> tuple[int, str, Host]:
    """The exit status and the output on a host that proves these."""
    host = Host(*granted)
    arguments = argparse.Namespace(json=as_json, python=python)
    status = doctor.execute(arguments, cast("Client", host))
    return status, capfd.readouterr().out, host


def document(text: str) -> dict[str, Any]:
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


# On this host


def test_it_tells_what_is_true_of_this_host() -> None:
    """Whoever can leave for namespaces and has Landlock has ``native``; the watcher needs nothing."""
    done = hero_logic("doctor", "--json")
    found = document(done.stdout.decode())
    granted = {proof["name"]: proof["is_granted"] for proof in found["proofs"]}

    assert list(granted) == list(ALL)
    assert granted["native"] == (has_landlock() and has_namespaces())
    assert granted["landlock"] == has_landlock()
    assert granted[WATCHER]
    assert done.returncode == (0 if any(granted[name] for name in ISOLATIONS) else 1)
    assert done.stderr == b""


def test_it_leaves_nothing_behind_but_what_it_found() -> None:
    """No play is on record, no canary is left."""
    hero_logic("doctor")
    home = Path(os.environ["HERO_LOGIC_HOME"])

    assert not list(home.glob("cache/proof-*"))
    assert not (home / "plays").exists() or os.listdir(home / "plays") == []
    assert document(hero_logic("ls", "--json").stdout.decode())["plays"] == []


def test_an_interpreter_that_is_not_there_is_a_usage_error() -> None:
    """As it is for ``run``."""
    done = hero_logic("doctor", "--python", "/none/python")

    assert done.returncode == 2
    assert b"/none/python" in done.stderr


# For a program


@pytest.mark.parametrize(
    ("granted", "tier", "isolation", "status"),
    [
        (ALL, "tier2", "native", 0),
        (("bubblewrap", WATCHER), "tier2", "bubblewrap", 0),
        (("landlock",), "tier1", "landlock", 0),
        ((WATCHER,), None, None, 1),
        ((), None, None, 1),
    ],
)
def test_the_document_says_what_the_default_would_be(
    capfd: pytest.CaptureFixture[str],
    granted: tuple[str, ...],
    tier: str | None,
    isolation: str | None,
    status: int,
) -> None:
    """And its exit status whether there is one."""
    done, out, _ = run(capfd, *granted, as_json=True)
    found = document(out)

    assert (found["tier"], found["isolation"], done) == (tier, isolation, status)


def test_the_document_has_every_proof_with_its_reason(capfd: pytest.CaptureFixture[str]) -> None:
    """One line, and nothing beside it."""
    _, out, _ = run(capfd, "native", as_json=True)

    assert out.count("\n") == 1
    assert set(document(out)) == {"tier", "isolation", "proofs"}
    assert document(out)["proofs"] == [
        {
            "name": name,
            "is_granted": name == "native",
            "problem": "" if name == "native" else f"{name}: refused",
            "remedy": "" if name == "native" else f"mend {name}",
        }
        for name in ALL
    ]


# For a person


def test_everything_that_was_tried_has_its_line_with_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    """Below what is not to be had: why, and what would mend it."""
    status, out, _ = run(capfd, "landlock", WATCHER)
    lines = out.splitlines()

    assert status == 0
    assert [line.split()[0] for line in lines if "  " in line and not line.startswith(" ")] == list(ALL)
    assert "            native: refused" in lines
    assert "            mend native" in lines
    assert lines[-1] == "plays run in tier2 (landlock, watcher)"


def test_without_the_watcher_the_tier_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    """Limits of each process are in every tier, and are not told."""
    assert run(capfd, "native")[1].splitlines()[-1] == "plays run in tier1 (native)"


def test_where_nothing_isolates_a_person_is_told_what_run_would_say(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With the switch that accepts less."""
    status, out, _ = run(capfd, WATCHER)

    assert status == 1
    assert "--sandbox best" in out
    assert "plays run in" not in out


def test_it_asks_for_the_interpreter_that_was_named(capfd: pytest.CaptureFixture[str]) -> None:
    """What one can be kept in depends on where it lies."""
    assert run(capfd, python="/opt/python")[2].asked == ["/opt/python"]
