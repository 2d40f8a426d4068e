"""What is printed instead of a whole play: what failed, and what its spans took."""

from hero_logic.cli.extracts import failed_lines, stats_lines
from hero_logic.core.records import NameStats
from support.forests import row, texts


def test_what_failed_is_listed_with_its_way_and_its_error():
    """An error that was passed on is told once, where it arose."""
    around = [
        row("r", name="nightly", status="failed", error="ValueError: no"),
        row("a", "r", name="load"),
        row("b", "a", name="parse", status="failed", error="ValueError: no", tags={"rows": 7}),
        row("c", "a", name="wait", status="timed_out"),
    ]
    failed = [around[0], around[2], around[3]]
    # The parent of the second one ended ok: nobody passed its error on to the first.
    lines = failed_lines(failed, around, count=3, width=80)

    assert texts(lines) == [
        "✗ nightly  12 ms",
        "    ValueError: no",
        "✗ nightly › load › parse  12 ms  rows=7",
        "    ValueError: no",
        "◔ nightly › load › wait  12 ms",
    ]


def test_an_error_that_was_passed_on_is_told_where_it_arose():
    """Once."""
    around = [row("r", status="failed", error="E: x"), row("a", "r", status="failed", error="E: x")]

    assert texts(failed_lines(around, around, count=2, width=80)) == [
        "✗ r  12 ms",
        "✗ r › a  12 ms",
        "    E: x",
    ]


def test_more_that_failed_than_are_listed_are_counted():
    """With where to find them."""
    failed = [row("a", status="failed")]
    lines = failed_lines(failed, failed, count=1001, width=80)

    assert texts(lines)[-1] == "… 1,000 more failed; --failed --json has all of them"


def test_a_play_in_which_nothing_failed_says_so():
    """An empty answer might be taken for none."""
    assert texts(failed_lines([], [], count=0, width=80)) == ["no span failed"]


def test_what_spans_took_is_a_table_by_name():
    """What took most is first, as it comes."""
    names = [
        NameStats("fetch", 1200, 3, 65_000.0, 1.0, 900.0, 50.0, 220.0),
        NameStats("", 1, 0, 12.0, 12.0, 12.0, 12.0, 12.0),
    ]

    assert texts(stats_lines(names, is_more=True, width=80)) == [
        "name       spans  failed     total    p50     p95     max",
        "fetch      1,200       3  1 m 05 s  50 ms  220 ms  900 ms",
        "(unnamed)      1       0     12 ms  12 ms   12 ms   12 ms",
        "… more names took less; --json has them",
    ]


def test_names_are_escaped():
    """A play chooses them."""
    lines = stats_lines([NameStats("\x1b[2J", 1, 0, 1.0, 1.0, 1.0, 1.0, 1.0)], is_more=False, width=80)

    assert "\x1b" not in "".join(texts(lines))


def test_a_play_in_which_nothing_has_ended_says_so():
    """It may still run."""
    assert texts(stats_lines([], is_more=False, width=80)) == ["no span has ended"]
