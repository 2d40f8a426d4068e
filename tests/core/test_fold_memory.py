"""What the fold holds: what is pending, and never what grows with the play or with what its writers do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hero_logic.core.fold import Batch, SpanTree, TooMuchRecalled
from hero_logic.core.records import Counters, SpanRow
from hero_logic.core.wire import Event, Hello, SpanEnd, SpanLog, SpanStart, SpanTag
from support.rows import RowStore


class Folding:
    """A tree over rows, whose writers are read back too."""

    def __init__(self) -> None:
        self.rows = RowStore()
        self.asked_seqs: list[list[str]] = []
        self.tree = SpanTree(load=self._load, load_seqs=self._load_seqs)
        self.text_bytes_a_row = 0

    def _load(self, span_ids: Sequence[str], max_bytes: int) -> list[SpanRow]:
        found: list[SpanRow] = []
        for row in self.rows.load(span_ids, max_bytes):
            if sum(len(one.name) for one in found) > max_bytes:
                break
            found.append(row)
        return found

    def _load_seqs(self, writers: Sequence[str]) -> dict[str, int]:
        self.asked_seqs.append(list(writers))
        return {writer: self.rows.writers[writer] for writer in writers if writer in self.rows.writers}

    def fold(self, *events: Event, source: str = "1", is_smallest: bool = False) -> None:
        self.tree.apply(Batch(list(events), 1.0, source), is_smallest=is_smallest)
        self.rows.write(self.tree.delta())
        self.tree.committed()


def test_writers_whose_connections_ended_are_forgotten() -> None:
    """A play may have a million of them."""
    folding = Folding()
    for number in range(50):
        folding.fold(Hello(1, f"w{number}"), SpanLog("a", "t", seq=number + 1), source=str(number))
        folding.tree.disconnected(str(number))
    folding.fold(SpanLog("a", "t"))

    assert folding.tree._writers == {}
    assert folding.rows.writers == {f"w{number}": number + 1 for number in range(50)}


def test_a_writer_that_comes_again_is_read_back() -> None:
    """What it said before is still a repeat."""
    folding = Folding()
    folding.fold(Hello(1, "w"), SpanLog("a", "one", ts_ms=0, seq=1))
    folding.tree.disconnected("1")
    folding.fold(SpanLog("a", "two", ts_ms=0))
    folding.fold(Hello(1, "w"), SpanLog("a", "one", ts_ms=0, seq=1), source="2")

    assert folding.asked_seqs == [["w"], ["w"]]
    assert folding.rows.spans()[0].logs == "[0] one\n[0] two"
    assert folding.rows.counters == Counters(events=2, repeated=1)


def test_one_connection_of_many_writers_is_remembered_by_its_last() -> None:
    """A hello takes the place of the one before."""
    folding = Folding()
    for number in range(50):
        folding.fold(Hello(1, f"w{number}"), SpanLog("a", "t", seq=1))

    assert list(folding.tree._writers) == ["w49"]


def test_a_writers_name_of_a_mebibyte_is_known_by_its_digest() -> None:
    """A thousand connections must not hold a gibibyte of names; it is still told from another."""
    folding = Folding()
    for letter in "xyx":
        folding.fold(Hello(1, letter * 1_000_000), SpanLog("a", "t", seq=1), source=letter)

    assert max(map(len, folding.rows.writers)) < 100
    assert folding.rows.counters == Counters(events=2, repeated=1)


def test_a_batch_that_speaks_of_too_much_text_is_to_come_in_pieces() -> None:
    """Nothing of it is folded then; a piece that cannot be smaller is folded whatever it takes."""
    folding = Folding()
    for number in range(6):
        folding.fold(SpanStart(f"s{number}", "x" * 1_000_000))
    batch = Batch([SpanEnd(f"s{number}", "ok") for number in range(6)], 1.0, malformed=1)
    with pytest.raises(TooMuchRecalled):
        folding.tree.apply(batch)
    after_refusal = folding.tree.delta()
    folding.tree.apply(batch, is_smallest=True)
    folding.rows.write(folding.tree.delta())

    assert after_refusal is None
    assert {span.status for span in folding.rows.spans()} == {"ok"}
    assert folding.rows.counters == Counters(events=12, malformed=1)


def test_a_span_near_its_limit_of_tags_is_not_counted_anew_for_each_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten thousand tags are there, and more come that have no room: each costs itself alone."""
    import hero_logic.core.fold as fold

    folding = Folding()
    tags = {f"key {number:05}": number for number in range(10_000)}
    folding.tree.apply(Batch([SpanTag("a", tags)], 1.0))
    counted = 0
    entry_bytes = fold._entry_bytes

    def counting(key: str, value: object) -> int:
        nonlocal counted
        counted += 1
        return entry_bytes(key, value)

    monkeypatch.setattr(fold, "_entry_bytes", counting)
    folding.tree.apply(Batch([SpanTag("a", {f"more {number}": 1}) for number in range(100)], 1.0))

    assert counted == 100


def test_the_position_of_a_source_is_in_the_delta_of_its_events() -> None:
    """And once it is on disk it is not written again."""
    tree = SpanTree()
    tree.apply(Batch([SpanStart("a", "n")], 1.0, "1", position=100))
    tree.apply(Batch([SpanStart("b", "n")], 1.0, "2", position=40))
    tree.apply(Batch([SpanEnd("a", "ok")], 1.0, "1", position=170))
    first = tree.delta()
    tree.committed()
    tree.apply(Batch([SpanEnd("b", "ok")], 1.0, "2", position=80))
    second = tree.delta()

    assert first is not None
    assert first.positions == {"1": 170, "2": 40}
    assert second is not None
    assert second.positions == {"2": 80}


# Which spans are looked up


def test_spans_that_are_counted_up_are_never_looked_up() -> None:
    """One above the highest of its prefix is new: the usual span costs no read."""
    folding = Folding()
    for number in range(10):
        folding.fold(SpanStart(f"0123abcd{number:08x}", "n"), SpanStart(f"feedbeef{number:08x}", "n"))

    assert folding.rows.asked == []


def test_a_span_at_or_below_the_highest_of_its_prefix_is_looked_up() -> None:
    """It may have been heard of: only the rows can tell."""
    folding = Folding()
    folding.fold(SpanStart("0123abcd5", "n"), SpanEnd("0123abcd5", "ok"))
    folding.fold(SpanLog("0123abcd5", "again"), SpanStart("0123abcd3", "n"), SpanStart("0123abcd7", "n"))

    assert [sorted(ids) for ids in folding.rows.asked] == [["0123abcd3", "0123abcd5"]]
    assert len(folding.rows.spans()) == 3


def test_a_tree_that_goes_on_with_rows_looks_up_what_it_did_not_hear_of() -> None:
    """What came before it, it cannot know."""
    folding = Folding()
    folding.fold(SpanStart("0123abcd1", "n"))
    folding.tree = SpanTree(folding.rows.state(), load=folding._load)
    folding.fold(SpanStart("0123abcd9", "n"))

    assert folding.rows.asked == [["0123abcd9"]]


def test_very_many_prefixes_are_not_remembered() -> None:
    """Past some, whatever has another one is looked up; those that are known go on as they did."""
    folding = Folding()
    for start in range(0, 3_000, 600):
        folding.fold(*[SpanStart(f"{number:08}x", "n") for number in range(start, start + 600)])
    before = len(folding.rows.asked)
    folding.fold(SpanStart("00000001y", "n"))

    assert len(folding.tree._highest_ids) <= 1_000
    assert before > 0
    assert len(folding.rows.asked) == before


def test_an_id_of_a_mebibyte_is_not_remembered() -> None:
    """It is looked up each time instead."""
    folding = Folding()
    folding.fold(SpanStart("x" * 1_000_000, "n"), SpanEnd("x" * 1_000_000, "ok"))
    folding.fold(SpanLog("x" * 1_000_000, "late", ts_ms=0))

    assert max(map(len, folding.tree._highest_ids), default=0) < 200
    assert [(span.name, span.logs) for span in folding.rows.spans()] == [("n", "[0] late")]
