"""The options of what runs plays that wait."""

from __future__ import annotations

import argparse

import pytest

from hero_logic.cli.running_options import add_running_options, check_running_options
from hero_logic.core.errors import UsageError


def read(*words: str) -> argparse.Namespace:
    """What a command line with these words says."""
    parser = argparse.ArgumentParser()
    add_running_options(parser, plays_help="so many", stop_help="so long")
    return parser.parse_args(words)


def test_who_says_nothing_gets_what_the_help_says() -> None:
    """And that is allowed."""
    arguments = read()
    check_running_options(arguments)

    assert (arguments.plays, arguments.stop_after) == (4, 30.0)


@pytest.mark.parametrize("words", [("--plays", "1"), ("--plays", "1000"), ("--stop-after", "0")])
def test_what_means_something_is_taken(words: tuple[str, ...]) -> None:
    """Up to its bounds."""
    check_running_options(read(*words))


@pytest.mark.parametrize(
    "words",
    [
        ("--plays", "0"),
        ("--plays", "1001"),
        ("--stop-after=-1",),
        ("--stop-after", "nan"),
        ("--stop-after", "inf"),
        ("--stop-after", "1e6"),
    ],
)
def test_what_means_nothing_is_told_with_its_name(words: tuple[str, ...]) -> None:
    """Before anything is begun."""
    with pytest.raises(UsageError, match=words[0].partition("=")[0]):
        check_running_options(read(*words))
