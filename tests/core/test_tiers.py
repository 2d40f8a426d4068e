"""From what a host proves to what a play is kept in: the whole table, and what a refusal says."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, combinations

import pytest

from hero_logic.core.errors import SandboxUnavailable, UsageError
from hero_logic.core.tiers import (
    DEFAULT,
    ISOLATIONS,
    NOTHING,
    SANDBOX_VARIABLE,
    TIER_ZERO,
    WANTED,
    WATCHER,
    Choice,
    Proof,
    check_minimum,
    check_wanted,
    choose,
)

ALL = (*ISOLATIONS, WATCHER)
HOSTS = list(chain.from_iterable(combinations(ALL, count) for count in range(len(ALL) + 1)))


class Host:
    """A host that proves some things and not others, and remembers what it was asked."""

    def __init__(self, granted: Iterable[str]) -> None:
        self.granted = set(granted)
        self.asked: list[str] = []

    def __call__(self, name: str) -> Proof:
        self.asked.append(name)
        is_granted = name in self.granted
        if is_granted:
            return Proof(name, is_granted=True)
        return Proof(name, is_granted=False, problem=f"no {name}", remedy=f"get {name}")

    def isolation(self) -> str | None:
        """The one that comes first of those it proves."""
        return next((name for name in ISOLATIONS if name in self.granted), None)


def told(choice: Choice) -> tuple[str, str, str]:
    return choice.tier, choice.isolation, choice.resources


def expected(wanted: str, host: Host) -> tuple[str, str, str] | None:
    """The table, row by row; None for a refusal."""
    isolation = host.isolation()
    is_watched = WATCHER in host.granted
    tier1 = ("tier1", isolation or "", "rlimits")
    tier2 = ("tier2", isolation or "", "watcher")
    rows = {
        "none": ("none", "none", "none"),
        "tier0": ("tier0", "none", "rlimits"),
        "tier1": tier1 if isolation else None,
        "tier2": tier2 if isolation and is_watched else None,
        "auto": (tier2 if is_watched else tier1) if isolation else None,
        "best": (tier2 if is_watched else tier1) if isolation else ("tier0", "none", "rlimits"),
    }
    return rows[wanted]


@pytest.mark.parametrize("granted", HOSTS, ids=lambda granted: "+".join(granted) or "nothing")
@pytest.mark.parametrize("wanted", WANTED)
def test_what_is_wanted_is_had_or_refused(wanted: str, granted: tuple[str, ...]) -> None:
    """On every host: never less than what was asked for, and never a tier that is not proven."""
    host = Host(granted)
    wanted_choice = expected(wanted, host)

    if wanted_choice is None:
        with pytest.raises(SandboxUnavailable):
            choose(wanted, host)
    else:
        assert told(choose(wanted, host)) == wanted_choice


@pytest.mark.parametrize("granted", HOSTS, ids=lambda granted: "+".join(granted) or "nothing")
def test_the_default_is_never_below_tier_1(granted: tuple[str, ...]) -> None:
    """It fails closed."""
    try:
        choice = choose(DEFAULT, Host(granted))
    except SandboxUnavailable:
        assert not set(granted) & set(ISOLATIONS)
        return

    assert choice.tier in ("tier1", "tier2")
    assert choice.isolation in granted


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ("none", []),
        ("tier0", []),
        ("tier1", ["native"]),
        ("tier2", ["native", WATCHER]),
        ("auto", ["native", WATCHER]),
        ("best", ["native", WATCHER]),
    ],
)
def test_a_host_is_asked_for_no_more_than_is_needed(wanted: str, asked: list[str]) -> None:
    """A proof that is not known yet takes a moment; tier 0 asks for none."""
    host = Host(ALL)
    choose(wanted, host)

    assert host.asked == asked


def test_the_watcher_is_not_asked_for_where_nothing_isolates() -> None:
    """It would change nothing."""
    host = Host([WATCHER])
    choose("best", host)

    assert host.asked == list(ISOLATIONS)


@pytest.mark.parametrize("wanted", ["auto", "tier1", "tier2"])
def test_a_refusal_names_what_is_missing_how_to_mend_it_and_what_accepts_less(wanted: str) -> None:
    """All in one message, with the word that was said."""
    with pytest.raises(SandboxUnavailable) as refused:
        choose(wanted, Host([]))

    text = str(refused.value)
    assert f"--sandbox {wanted} promises" in text
    assert "was not started" in text
    for name in ISOLATIONS:
        assert f"  {name}: no {name}\n" in text
        assert f"  get {name}\n" in text
    assert "hero-logic doctor" in text
    assert "--sandbox best" in text
    assert f"{SANDBOX_VARIABLE}=best" in text
    assert refused.value.code == "sandbox_unavailable"


def test_a_refusal_for_want_of_the_watcher_names_it_alone() -> None:
    """The isolation is there."""
    with pytest.raises(SandboxUnavailable) as refused:
        choose("tier2", Host(ISOLATIONS))

    text = str(refused.value)
    assert "  watcher: no watcher\n" in text
    assert "native" not in text


def test_a_remedy_that_several_lacks_share_is_said_once() -> None:
    """And a lack that nothing is known to mend has no empty line."""

    def prove(name: str) -> Proof:
        return Proof(name, is_granted=False, problem="none", remedy="" if name == "landlock" else "the same")

    with pytest.raises(SandboxUnavailable) as refused:
        choose("auto", prove)

    assert str(refused.value).count("the same") == 1
    assert not [line for line in str(refused.value).splitlines() if not line.strip()]


def test_where_nothing_is_known_to_help_no_help_is_announced() -> None:
    """The rest is said all the same."""
    with pytest.raises(SandboxUnavailable) as refused:
        choose("auto", lambda name: Proof(name, is_granted=False, problem="none"))

    assert "To mend it" not in str(refused.value)
    assert "--sandbox best" in str(refused.value)


@pytest.mark.parametrize("word", ["", "tier3", "AUTO", "auto ", "native"])
def test_another_word_is_a_usage_error_that_names_the_words(word: str) -> None:
    """One that was misspelt is never taken for less."""
    with pytest.raises(UsageError) as refused:
        check_wanted(word)

    assert repr(word) in str(refused.value)
    assert all(name in str(refused.value) for name in WANTED)


@pytest.mark.parametrize("word", WANTED)
def test_every_word_is_itself(word: str) -> None:
    """As it was said."""
    assert check_wanted(word) == word


def test_the_two_that_promise_no_isolation_have_none() -> None:
    """Their names say it: tier 0 limits each process, none does not even that."""
    assert told(NOTHING) == ("none", "none", "none")
    assert told(TIER_ZERO) == ("tier0", "none", "rlimits")


@pytest.mark.parametrize(
    ("wanted", "minimum", "is_refused"),
    [
        ("none", "tier0", True),
        ("best", "auto", True),
        ("tier0", "auto", True),
        ("auto", "tier2", True),
        ("tier1", "auto", False),
        ("auto", "auto", False),
        ("tier2", "tier1", False),
        ("none", "none", False),
    ],
)
def test_what_promises_less_than_a_runtimes_minimum_is_refused(
    wanted: str, minimum: str, is_refused: bool
) -> None:
    """Also where it might have come out the same: what may end in less is less."""
    if is_refused:
        with pytest.raises(SandboxUnavailable, match=f"nothing in less than {minimum}"):
            check_minimum(wanted, minimum)
    else:
        assert check_minimum(wanted, minimum) == wanted
