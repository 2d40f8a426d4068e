"""The table of limits, and the environment of a play."""

from __future__ import annotations

import pytest

from hero_logic.core.policy import (
    LIMITS,
    PLAY_PATH,
    TREE_LIMITS,
    PlayLimits,
    default,
    default_s,
    play_environment,
)


def made(operator: dict[str, str], *names: str) -> dict[str, str]:
    return play_environment(operator, sid="s", work_dir="/w", span_channel="/w.sock", let_through=names)


def test_every_limit_has_a_name_of_its_own_and_says_what_it_is_for() -> None:
    """docs/limits.md is made of them."""
    assert len({limit.name for limit in LIMITS}) == len(LIMITS)
    assert all(limit.meaning.endswith(".") and limit.unit for limit in LIMITS)


def test_there_is_no_limit_of_wall_clock_time_by_default() -> None:
    """A play may take as long as it takes."""
    assert PlayLimits().timeout_s is None


def test_a_play_has_the_limits_of_the_table() -> None:
    """Each field is a row."""
    tier = PlayLimits()

    assert (tier.grace_s, tier.orphan_grace_s) == (default_s("grace_s"), default_s("orphan_grace_s"))
    assert tier.captured_bytes == default("captured_bytes")
    assert tier.resource_limits == {
        "RLIMIT_AS": default("address_space_bytes"),
        "RLIMIT_CPU": default("cpu_s"),
        "RLIMIT_NOFILE": default("open_files"),
        "RLIMIT_FSIZE": default("file_size_bytes"),
        "RLIMIT_NPROC": default("processes"),
        "RLIMIT_CORE": default("core_bytes"),
    }
    assert tier.tree_limits == {name: default(name) for name in TREE_LIMITS}


def test_the_limits_of_the_whole_tree_are_those_of_the_table_that_say_so() -> None:
    """Each is one of Tier 2, and no other row is."""
    assert {limit.name for limit in LIMITS if limit.meaning.startswith("Tier 2: ")} == set(TREE_LIMITS)
    assert {limit.name for limit in LIMITS if limit.name.startswith("tree_")} == set(TREE_LIMITS)


def test_limits_of_one_play_are_no_other_plays() -> None:
    """Whoever lowers one lowers it for that play alone."""
    PlayLimits().tree_limits["tree_files"] = 1
    PlayLimits().resource_limits["RLIMIT_AS"] = 1

    assert PlayLimits().tree_limits["tree_files"] == default("tree_files")
    assert PlayLimits().resource_limits["RLIMIT_AS"] == default("address_space_bytes")


def test_a_play_whose_runtime_is_gone_ends_within_a_second() -> None:
    """Its grace leaves room for the rest."""
    assert PlayLimits().orphan_grace_s <= 0.5


def test_the_limits_of_the_protocol_are_those_of_the_table() -> None:
    """docs/protocol.md names these defaults."""
    names = ("line_bytes", "unfinished_bytes", "spool_bytes", "spans", "tags_bytes", "log_bytes")

    assert [default(name) for name in names] == [
        2**20,
        64 * 2**20,
        64 * 2**20,
        2_000_000,
        64 * 2**10,
        2**20,
    ]


def test_an_empty_environment_gets_what_every_play_has() -> None:
    """And nothing else."""
    assert made({}) == {
        "PATH": PLAY_PATH,
        "HOME": "/w",
        "TMPDIR": "/w/tmp",
        "LANG": "C.UTF-8",
        "HERO_FLOW_SPAN_SOCK": "/w.sock",
        "HERO_FLOW_SPAN_SPOOL": "/w/.hero-spans.jsonl",
        "HERO_FLOW_PLAY_SID": "s",
    }


@pytest.mark.parametrize(
    "name", ["AWS_SECRET", "PYTHONPATH", "PYTHONSTARTUP", "LD_PRELOAD", "HERO_LOGIC_HOME", "hero_flow_x"]
)
def test_what_is_not_on_the_list_does_not_pass(name: str) -> None:
    """The operator's environment is cleared."""
    assert name not in made({name: "x"})


@pytest.mark.parametrize("name", ["TRACEPARENT", "HERO_FLOW_", "HERO_FLOW_MINE"])
def test_what_is_on_the_list_passes(name: str) -> None:
    """As it is."""
    assert made({name: "x"})[name] == "x"


def test_a_name_that_is_let_through_passes_if_it_is_set() -> None:
    """One that is not set is not made up."""
    found = made({"TOKEN": "t", "OTHER": "o"}, "TOKEN", "ABSENT")

    assert found["TOKEN"] == "t"
    assert not {"OTHER", "ABSENT"} & set(found)


@pytest.mark.parametrize(
    "name",
    ["PATH", "HOME", "HERO_FLOW_SPAN_SOCK", "HERO_FLOW_SPAN_SPOOL", "HERO_FLOW_PLAY_SID", "TMPDIR"],
)
def test_what_is_the_plays_own_cannot_be_replaced(name: str) -> None:
    """Not even by name."""
    assert made({name: "/evil"}, name)[name] != "/evil"


def test_the_spool_of_another_play_does_not_pass() -> None:
    """A play within a play has a spool of its own, in its own work directory."""
    assert made({"HERO_FLOW_SPAN_SPOOL": "/other"})["HERO_FLOW_SPAN_SPOOL"] == "/w/.hero-spans.jsonl"


def test_a_descriptor_of_another_runtimes_play_does_not_pass() -> None:
    """A play within a play has a socket of its own."""
    assert "HERO_FLOW_SPAN_FD" not in made({"HERO_FLOW_SPAN_FD": "5"}, "HERO_FLOW_SPAN_FD")


@pytest.mark.parametrize("names", [(), ("HERO_FLOW_SPAN_SOCK", "HERO_FLOW_SPAN_FD")])
def test_a_play_whose_channel_is_inherited_has_its_number_and_no_path(names: tuple[str, ...]) -> None:
    """Neither the operator's own nor by ``--env``: there is no path to be had, and one way alone."""
    operator = {"HERO_FLOW_SPAN_SOCK": "/other.sock", "HERO_FLOW_SPAN_FD": "99"}
    found = play_environment(operator, sid="s", work_dir="/w", span_channel=5, let_through=names)

    assert found["HERO_FLOW_SPAN_FD"] == "5"
    assert "HERO_FLOW_SPAN_SOCK" not in found


def test_a_channel_that_is_descriptor_0_is_one_too() -> None:
    """It is a number, not nothing."""
    found = play_environment({}, sid="s", work_dir="/w", span_channel=0)

    assert found["HERO_FLOW_SPAN_FD"] == "0"
