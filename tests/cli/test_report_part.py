"""What is printed of a play of which only a part was read."""

from hero_logic.cli.report import show_lines
from hero_logic.cli.tree import SpanForest
from hero_logic.core.records import Play
from support.forests import part_of, row, texts

PLAY = Play(sid="3f9a0c1d2e4b5a67", flow="nightly", status="ok", start_ms=0.0, end_ms=1240.0)


def test_a_part_of_a_large_play_says_what_it_is_a_part_of():
    """All spans by status; and where to find what failed."""
    forest = SpanForest()
    forest.load(part_of(row("r"), row("a", "r"), counts={"ok": 900, "failed": 7}, left_out={"r": (905, 1)}))

    assert texts(show_lines(PLAY, forest, width=80, max_lines=100))[2:] == [
        "✓ r  12 ms",
        "├─ ✓ a  12 ms",
        "└─ … 905 more",
        "",
        "  907 spans: 900 ok, 7 failed",
        "  905 of them are not read for this; --failed lists those that failed",
    ]


def test_logs_are_read_of_those_spans_alone_that_are_drawn():
    """A large play has more of them than anybody reads."""
    forest = SpanForest()
    forest.load(part_of(row("r"), *(row(f"s{n}", "r") for n in range(500)), counts={"ok": 600}))
    asked = []
    show_lines(
        PLAY, forest, width=80, max_lines=10, logs_of=lambda span_id: asked.append(span_id) or "[1] hi"
    )

    assert 5 < len(asked) <= 10
