"""What is said of one span: its tags, its error, its last log."""

import pytest

from hero_logic.cli.wording import first_line, last_log_line, split_log_time, tags_text, value_text
from support.forests import drawn, forest_of, row


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("2026-11-20", "2026-11-20"),
        ("./a/b.csv", "./a/b.csv"),
        ("日本", "日本"),
        ("", '""'),
        ("12", '"12"'),
        ("1e5", '"1e5"'),
        ("true", '"true"'),
        ("null", '"null"'),
        ("a=b", '"a=b"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("a\u202eb", '"a\\u202eb"'),
        ("x" * 101, "x" * 100 + "…"),
        ("x" * 100, "x" * 100),
        (2**70, str(2**70)),
        ("\ud800", "'\\ud800'"),
        ({"a": [1, 2]}, '{"a":[1,2]}'),
    ],
)
def test_a_value_cannot_be_taken_for_another(value, shown):
    """Text that looks like a number, a word of JSON or several values stands in quotes."""
    assert value_text(value) == shown


@pytest.mark.parametrize(
    ("logs", "shown"),
    [
        ("", ""),
        ("\n\n", ""),
        ("[1] a\nmore of it", "more of it"),
        ("[x] a", "[x] a"),
        ("[-5] a", "a"),
        ("[1] \x1b[31mred\tx", "\\x1b[31mred\\tx"),
        ("[1] " + "y" * 500, "y" * 200),
    ],
)
def test_the_last_line_of_logs(logs, shown):
    """Escaped, at most 200 characters, its time left out."""
    assert last_log_line(logs) == shown


def test_only_a_whole_number_in_brackets_is_the_time_of_a_log():
    """What else stands at the beginning of a line is text."""
    assert [split_log_time(line) for line in ("[12] a", "[1.5] a", "[²] a", "[12]a", "12")] == [
        (12.0, "a"),
        (None, "[1.5] a"),
        (None, "[²] a"),
        (None, "[12]a"),
        (None, "12"),
    ]


def test_an_error_of_many_lines_is_its_first_that_says_anything():
    """Blank lines before it do not hide it."""
    assert first_line("\n  \n E: \x1b[0m no \nmore") == "E: \\x1b[0m no"


def test_tags_are_written_out_as_far_as_a_line_could_hold_them():
    """A few hundred characters, and a sign that there are more."""
    written = tags_text({f"key{index}": "v" * 90 for index in range(40)})

    assert len(written) < 600
    assert written.endswith(" …")


def test_a_call_is_listed_with_its_arguments():
    """They are what tells it from those beside it; its answer is not."""
    tags = {"rpc.request": '{"city":"Rome"}', "rpc.response": '{"degrees":21}'}

    assert drawn(forest_of(row("ask", tags=tags))) == ['✓ ask  12 ms  {"city":"Rome"}']
