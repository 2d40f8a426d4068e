"""Plays over a store: created, begun, read, listed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.core.errors import IllegalMove, NotFound
from hero_logic.core.records import Counters, PlayEnd, Sandbox, SpanDelta, SpanRow
from hero_logic.service.plays import FIND_SPANS, MAX_WHOLE_SPANS, Plays
from hero_logic.store.sqlite import SqliteStore


class Clock:
    now_ms = 100.0

    def __call__(self) -> float:
        self.now_ms += 1
        return self.now_ms


@pytest.fixture
def plays(tmp_path: Path) -> Iterator[Plays]:
    store = SqliteStore.open(str(tmp_path / "db"))
    yield Plays(store, now_ms=Clock(), runtime_sid="me")
    store.close()


def test_a_play_begins_pending_and_is_of_this_runtime(plays: Plays) -> None:
    """Nothing of it has run yet."""
    plays.create("p", flow="census", path="/f.py", source="x = 1\n", input_json='{"a":1}')
    play = plays.get("p")

    assert (play.status, play.flow, play.input_json, play.runtime_sid) == (
        "pending",
        "census",
        '{"a":1}',
        "me",
    )
    assert (play.start_ms, play.end_ms, play.output_json) == (None, None, None)


@pytest.mark.parametrize("source", ["", "x = 1\n", "ä\r\n"])
def test_a_version_is_known_by_the_hash_of_its_source(plays: Plays, source: str) -> None:
    """The same source is the same version, whichever play it was run by."""
    plays.create("p", flow="f", path="/f.py", source=source)
    plays.create("q", flow="f", path="/f.py", source=source)
    wanted = hashlib.sha256(source.encode()).hexdigest()[:32]

    assert [plays.get(sid).version_sid for sid in "pq"] == [wanted, wanted]


def test_a_play_without_a_source_has_no_version(plays: Plays) -> None:
    """One that was ingested."""
    plays.create("p")

    assert plays.get("p").version_sid == ""


def test_a_play_runs_from_when_it_begins(plays: Plays) -> None:
    """With what it is really kept in."""
    plays.create("p")
    plays.begin("p", Sandbox("tier0", "none", "rlimits"))
    play = plays.get("p")

    assert (play.status, play.start_ms, play.sandbox.tier) == ("running", 102.0, "tier0")


def test_a_play_begins_once(plays: Plays) -> None:
    """The table of moves says so."""
    plays.create("p")
    plays.begin("p", Sandbox())
    with pytest.raises(IllegalMove):
        plays.begin("p", Sandbox())


def test_last_is_the_one_that_was_created_last(plays: Plays) -> None:
    """Not the one that ended last."""
    for sid in ("a", "b"):
        plays.create(sid)
    plays.begin("a", Sandbox())
    plays.store.end_play("a", PlayEnd("ok", 5.0))

    assert plays.get("last").sid == "b"


@pytest.mark.parametrize("sid", ["none", "last"])
def test_a_play_that_is_not_there_is_an_error(plays: Plays, sid: str) -> None:
    """In an empty store there is no last one."""
    with pytest.raises(NotFound):
        plays.get(sid)


@pytest.mark.parametrize(("count", "limit"), [(0, 3), (3, 3), (7, 3), (6, 3), (4, 1)])
def test_pages_hold_every_play_once_the_newest_first(plays: Plays, count: int, limit: int) -> None:
    """A cursor is there exactly where more is to come."""
    for number in range(count):
        plays.create(f"p{number}")
    found: list[str] = []
    pages = 0
    cursor = None
    while True:
        page, cursor = plays.list(limit=limit, before=cursor)
        found += [play.sid for play in page]
        pages += 1
        if cursor is None:
            break

    assert found == [f"p{number}" for number in reversed(range(count))]
    assert pages == max(1, -(-count // limit))


def test_a_cursor_that_names_no_play_is_an_error(plays: Plays) -> None:
    """It is told as such."""
    with pytest.raises(NotFound):
        plays.list(limit=1, before="none")


def test_spans_come_in_pages_in_their_order(plays: Plays) -> None:
    """All of them, once each."""
    plays.create("p")
    plays.begin("p", Sandbox())
    rows = [SpanRow(ordinal=n, span_id=str(n), start_ms=1.0) for n in range(4500)]
    plays.store.write_spans({"p": SpanDelta(rows, Counters(events=4500), 4500, {})})

    assert [span.span_id for span in plays.spans("p")] == [str(n) for n in range(4500)]


def write(plays: Plays, *rows: SpanRow) -> None:
    plays.create("p")
    plays.begin("p", Sandbox())
    plays.store.write_spans({"p": SpanDelta(list(rows), Counters(), len(rows), {})})


@pytest.mark.parametrize(("count", "is_outlined"), [(MAX_WHOLE_SPANS, False), (MAX_WHOLE_SPANS + 1, True)])
def test_a_large_play_is_read_in_part(plays: Plays, count: int, is_outlined: bool) -> None:
    """One that is not is read whole, as it always was."""
    write(plays, *(SpanRow(n, str(n), 1.0, status="ok", end_ms=2.0) for n in range(count)))
    outline = plays.outline(plays.get("p"))

    assert (outline is not None) == is_outlined
    assert outline is None or len(outline.rows) < count


def test_what_failed_comes_with_the_spans_around_it(plays: Plays) -> None:
    """And whole where all of it is wanted, page by page, with its logs."""
    rows = [SpanRow(0, "r", 1.0, status="ok", end_ms=9.0)]
    rows += [
        SpanRow(n, str(n), 1.0, parent_id="r", status="failed", end_ms=2.0, new_logs="hi", log_bytes=2)
        for n in range(1, 2500)
    ]
    write(plays, *rows)
    failed, around = plays.failed("p", limit=2)

    assert [row.span_id for row in failed] == ["1", "2"]
    assert [row.span_id for row in around] == ["r", "1", "2"]
    assert [(span.span_id, span.logs) for span in plays.failed_whole("p")] == [
        (str(n), "hi") for n in range(1, 2500)
    ]


def test_logs_are_read_of_one_span(plays: Plays) -> None:
    """Of one that is not there it is an error."""
    write(plays, SpanRow(0, "a", 1.0, new_logs="[1] hi"))

    assert plays.logs("p", "a") == "[1] hi"
    with pytest.raises(NotFound):
        plays.logs("p", "none")


def test_names_that_took_less_are_said_to_be_there(plays: Plays) -> None:
    """Where there are more than were asked for."""
    write(plays, *(SpanRow(n, str(n), 0.0, name=f"n{n}", status="ok", end_ms=n + 1.0) for n in range(3)))
    names, is_more = plays.stats("p", limit=2)

    assert ([one.name for one in names], is_more) == (["n2", "n1"], True)
    assert plays.stats("p", limit=3)[1] is False


def test_spans_are_found_by_all_words_of_a_text(plays: Plays) -> None:
    """In names, errors, tags and logs together, whatever the case; a text without words fits none."""
    spans = [
        SpanRow(0, "a", 1.0, name="Fetch", new_logs="[1] Retrying after 503"),
        SpanRow(1, "b", 1.0, name="fetch", tags={"item": {"city": "Zürich"}}),
        SpanRow(2, "c", 1.0, name="store", error="ValueError: no CITY"),
    ]
    write(plays, *spans)

    def found(text: str, start: int = 0) -> list[int]:
        ordinals, following = plays.find_spans("p", text, start=start)
        assert following is None
        return ordinals

    assert found("fetch") == [0, 1]
    assert found("FETCH 503") == [0]
    assert found("zürich") == [1]
    assert found("city", start=2) == [2]
    assert found("fetch store") == found("  ") == []
    with pytest.raises(NotFound):
        plays.find_spans("q", "fetch")


def test_finding_spans_looks_at_so_many_at_a_time(plays: Plays) -> None:
    """Where to look on is said, and nothing between is left out."""
    rows = [
        SpanRow(number, str(number), 1.0, name="last" if number == FIND_SPANS else "x")
        for number in range(FIND_SPANS + 1)
    ]
    write(plays, *rows)

    assert plays.find_spans("p", "last") == ([], FIND_SPANS)
    assert plays.find_spans("p", "last", start=FIND_SPANS) == ([FIND_SPANS], None)
