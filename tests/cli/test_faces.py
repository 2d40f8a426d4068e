"""What is shown while a play runs, where nothing can be drawn in place."""

import io
import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.cli.faces import MAX_PRINTED_SPANS, Face, PlainFace, QuietFace, make_face
from hero_logic.cli.tree import text_width
from hero_logic.core.records import Play, SpanRow
from support.forests import part_of

PLAY = Play(sid="3f9a0c1d2e4b5a67", flow="nightly", status="running", start_ms=0.0)
ORDINALS = itertools.count()


def row(span_id: str, parent_id: str = "", status: str = "ok", **fields) -> SpanRow:
    """A span that began at 0 and took 12 ms, unless told otherwise."""
    fields.setdefault("name", span_id)
    fields.setdefault("end_ms", None if status == "running" else 12.0)
    fields.setdefault("ordinal", next(ORDINALS))
    return SpanRow(span_id=span_id, start_ms=0.0, parent_id=parent_id, status=status, **fields)


def plain(*batches: list[SpanRow], **options) -> list[str]:
    """The lines that a plain face prints for these batches, the one that says which play it is left out."""
    out = io.StringIO()
    face = PlainFace(out, io.StringIO(), **options)
    face.begin(PLAY, sandbox_line="tier0")
    for batch in batches:
        face.changed(batch, 100.0)
    face.end(PLAY)
    return out.getvalue().splitlines()[1:]


class Gone(io.StringIO):
    """A stream whose reader is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        raise BrokenPipeError


# --- PlainFace ------------------------------------------------------------------------------------------


def test_it_begins_with_which_play_it_is():
    """The sid first: it is what one asks for again."""
    out = io.StringIO()

    PlainFace(out, io.StringIO()).begin(PLAY, sandbox_line="tier0")

    assert out.getvalue() == "play 3f9a0c1d2e4b5a67 · flow nightly · tier0\n"


def test_a_span_is_a_line_when_it_ends():
    """Its mark, the way to it from the root, its duration and its tags."""
    lines = plain(
        [row("r", status="running"), row("s", "r", status="running"), row("x", "s", tags={"rows": 3})],
        [row("s", "r", status="cancelled"), row("r")],
    )

    assert lines == ["● r", "✓ r › s › x  12 ms  rows=3", "⊘ r › s  12 ms", "✓ r  12 ms"]


def test_a_root_that_ended_at_once_is_one_line():
    """What began and ended in one batch did not need to be announced."""
    assert plain([row("r")]) == ["✓ r  12 ms"]


def test_a_span_that_changes_after_its_end_is_not_printed_again():
    """A late tag is recorded, and that is all."""
    assert plain([row("r")], [row("r", tags={"late": 1})]) == ["✓ r  12 ms"]


def test_spans_of_one_batch_are_printed_in_the_order_in_which_they_ended():
    """The inner before the outer, though the batch has them the other way round."""
    lines = plain([row("r", end_ms=30.0), row("a", "r", end_ms=30.0), row("b", "r", end_ms=10.0)])

    assert lines == ["✓ r › b  10 ms", "✓ r › a  30 ms", "✓ r  30 ms"]


def test_a_failed_span_says_why_on_the_next_line():
    """Its first line; a parent that says the same does not repeat it."""
    lines = plain(
        [row("r", status="failed", error="E: no\nmore"), row("a", "r", status="failed", error="E: no\nmore")]
    )

    assert lines == ["✗ r › a  12 ms", "    E: no", "✗ r  12 ms"]


def test_what_was_not_kept_of_a_span_is_told():
    """Before its tags."""
    assert plain([row("r", tags={"a": 1, "hero.lost": 2})]) == ["✓ r  12 ms  ! 2 events lost  a=1"]


def test_a_way_that_is_too_long_loses_its_middle():
    """The root and the span itself say most."""
    lines = plain([row("r" * 40), row("m" * 40, "r" * 40), row("x" * 40, "m" * 40)], width=80)

    assert lines[0].startswith("✓ rrrrr")
    assert lines[0].endswith("xxxxx  12 ms")
    assert "…" in lines[0]
    assert len(lines[0]) == 80


def test_a_way_through_very_many_spans_names_some():
    """Depth has no bound, a line has."""
    rows = [row(f"s{index}", f"s{index - 1}" if index else "") for index in range(500)]

    line = next(line for line in plain(rows, width=300) if "s499" in line)

    assert line.startswith("✓ s0 › s1 › ")
    assert " › … › " in line


def test_after_a_thousand_spans_it_says_where_to_look():
    """The rest is recorded; a pipe is no place for a million lines."""
    lines = plain([row(f"s{index}") for index in range(MAX_PRINTED_SPANS + 50)], [row("one more")])

    assert len(lines) == MAX_PRINTED_SPANS + 1
    assert lines[-1] == (
        "… further spans are recorded but not printed; hero-logic show 3f9a0c1d2e4b5a67 shows them"
    )


def test_of_a_large_play_it_says_how_much_there_was_before():
    """Once; what changes from then on is printed, and a later part is not told again."""
    out = io.StringIO()
    face = PlainFace(out, io.StringIO())
    face.begin(PLAY, sandbox_line="tier0")
    part = part_of(row("r", status="running"), counts={"ok": 999_999, "running": 1})
    face.load(part)
    face.changed([row("new", "r", ordinal=1_000_000)], 0.0)
    face.load(part)

    assert out.getvalue().splitlines()[1:] == [
        "… 1,000,000 spans so far: 999,999 ok, 1 running; hero-logic show 3f9a0c1d2e4b5a67 shows them",
        "✓ r › new  12 ms",
    ]
    assert face.forest.span_count == 1_000_000


@pytest.mark.parametrize(
    ("is_silent", "is_terminal", "term", "wanted"),
    [
        (True, True, "xterm", "QuietFace"),
        (False, True, "xterm", "LiveFace"),
        (False, True, "dumb", "PlainFace"),
        (False, False, "xterm", "PlainFace"),
    ],
)
def test_the_face_is_that_of_its_stream(monkeypatch, is_silent, is_terminal, term, wanted):
    """Drawn in place on a terminal that can, lines anywhere else."""
    monkeypatch.setenv("TERM", term)
    out = io.StringIO()
    out.isatty = lambda: is_terminal
    face = make_face(out, io.StringIO(), is_silent=is_silent)
    face.close()

    assert type(face).__name__ == wanted


def test_a_face_whose_reader_is_gone_says_so():
    """Who only watches has no reason to go on."""
    out = io.StringIO()
    face = PlainFace(out, io.StringIO())
    was_silent = face.is_silent
    out.close()
    face.begin(PLAY, sandbox_line="tier0")

    assert (was_silent, face.is_silent) == (False, True)


def test_lines_are_written_at_once():
    """Whoever reads along sees a span when it ends, not when a buffer is full."""
    flushed = []

    class Stream(io.StringIO):
        def flush(self) -> None:
            flushed.append(self.getvalue())

    face = PlainFace(Stream(), io.StringIO())
    face.changed([row("r")], 0.0)

    assert flushed == ["✓ r  12 ms\n"]


def test_a_reader_that_is_gone_does_not_fail_the_play():
    """It is not written to again."""
    out = Gone()
    face = PlainFace(out, io.StringIO())
    face.begin(PLAY, sandbox_line="tier0")

    face.changed([row("r")], 0.0)

    assert out.writes == 1
    assert face.forest.span_count == 1


def test_a_stream_that_is_closed_does_not_fail_the_play():
    """Nor does a warning that nobody can read."""
    out, err = io.StringIO(), io.StringIO()
    out.close()
    err.close()
    face = PlainFace(out, err)

    face.note("x")
    face.changed([row("r")], 0.0)

    assert face.forest.span_count == 1


def test_a_stream_that_knows_only_ascii_gets_ascii():
    """The C locale prints as well."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    face = PlainFace(out, io.StringIO())
    face.begin(PLAY, sandbox_line="tier0")
    face.changed([row("r"), row("é", "r")], 0.0)

    assert out.buffer.getvalue().decode().splitlines() == [
        "play 3f9a0c1d2e4b5a67 - flow nightly - tier0",
        "+ r > \\xe9  12 ms",
        "+ r  12 ms",
    ]


def test_colour_is_there_where_it_was_asked_for():
    """On a terminal that cannot be drawn on."""
    assert plain([row("r", status="failed")], colour=True)[0].startswith("\x1b[1;31m✗\x1b[0m ")


def test_threads_do_not_mix_their_lines():
    """The ingest thread prints spans while another warns."""
    out = io.StringIO()
    face = PlainFace(out, out)

    def print_spans(name: str) -> None:
        for index in range(100):
            face.changed([row(f"{name}{index}")], 0.0)
            face.note(f"note {name}{index}")

    threads = [threading.Thread(target=print_spans, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = out.getvalue().splitlines()

    assert sum(line.startswith("✓ ") and line.endswith("  12 ms") for line in lines) == 400
    assert sum(line.startswith("hero-logic: warning: note ") for line in lines) == 400


TEXTS = st.text(max_size=50) | st.sampled_from(["\x1b[2J", "日本語" * 30, "\n\r", "\ud800"])


@given(
    st.lists(
        st.builds(
            row,
            span_id=TEXTS,
            parent_id=TEXTS,
            status=st.sampled_from(["ok", "failed", "running", "odd"]),
            error=TEXTS,
            tags=st.dictionaries(TEXTS, TEXTS, max_size=2),
        ),
        max_size=8,
    ),
    st.integers(1, 130),
)
def test_any_spans_are_lines_that_fit(rows, width):
    """Never an exception, never too wide, and nothing that a terminal acts on."""
    lines = plain(rows, width=width)

    assert all(line.isprintable() and text_width(line) <= width for line in lines)


# --- QuietFace and what all have in common --------------------------------------------------------------


def test_a_quiet_face_says_nothing_but_warnings():
    """And these on standard error, as one line each, escaped."""
    out, err = io.StringIO(), io.StringIO()
    face = QuietFace(out, err)
    face.begin(PLAY, sandbox_line="tier0")
    face.changed([row("r")], 0.0)
    face.tick(0.0)
    face.note("bad \x1b[2J line\n")
    face.end(PLAY)

    assert out.getvalue() == ""
    assert err.getvalue() == "hero-logic: warning: bad \\x1b[2J line\n"


@pytest.mark.parametrize("face_class", [QuietFace, PlainFace])
def test_a_face_that_draws_nothing_wants_no_ticks(face_class):
    """The main thread can sleep until the play ends."""
    assert face_class(io.StringIO(), io.StringIO()).interval_s is None


def test_a_face_is_closed_when_its_block_ends():
    """However it ends."""
    closed = []

    class Closing(Face):
        def close(self) -> None:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt), Closing(io.StringIO(), io.StringIO()):
        raise KeyboardInterrupt

    assert closed == [True]
