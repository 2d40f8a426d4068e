"""The search of the embedded store against that of the store in memory, which is as plain as can be."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hero_logic.core.search_text import query_words
from hero_logic.store import flow_index
from hero_logic.store.memory import MemoryStore
from hero_logic.store.sqlite import SqliteStore
from store.flow_contract import put, search

pytestmark = pytest.mark.property

words = st.sampled_from(
    ["report", "reports", "rep", "nightly", "weather", "fetchPrices", "prices", "é1", "日本"]
)
texts = st.lists(words, max_size=3).map(" ".join)
published = st.lists(
    st.tuples(st.integers(0, 3), texts, texts, st.lists(words, max_size=2), texts), max_size=7
)
queries = st.lists(
    words | st.sampled_from(["reprot", "wether", "price", "nightyl", "zzzz", "n"]), min_size=1, max_size=3
).map(" ".join)


@pytest.mark.parametrize("read_flows", [0, flow_index.MAX_READ_FLOWS])
@given(published, queries, st.integers(0, 5))
@settings(deadline=None)
def test_both_stores_find_the_same_in_the_same_order(
    read_flows: int, flows: list[tuple[int, str, str, list[str], str]], query: str, limit: int
) -> None:
    """Whatever is there and looked for, and whether SQLite ranks what it finds or its words are read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_index, "MAX_READ_FLOWS", read_flows)
        check_both(flows, query, limit)


def check_both(flows: list[tuple[int, str, str, list[str], str]], query: str, limit: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        embedded, memory = SqliteStore.open(f"{directory}/a.db"), MemoryStore()
        try:
            for number, name, description, tags, source in flows:
                for store in (embedded, memory):
                    put(store, f"{name} {number}", source, description=description, tags=tags)
                    if number == 3:
                        store.archive_flow(f"{name} {number}", is_archived=len(tags) == 1)

            assert search(embedded, query, limit) == search(memory, query, limit)
        finally:
            embedded.close()


SYNTAX = st.lists(
    st.sampled_from(
        ['"', "'", "*", "^", "(", ")", "{", "}", ":", "+", "-", " AND ", " NEAR(", "name", "\0", "a"]
    )
).map("".join)


@given(st.text() | SYNTAX)
@settings(deadline=None)
def test_no_query_is_a_syntax_error(query: str) -> None:
    """Whatever was typed, the search gives flows or none."""
    asked = query_words(query)
    if asked:
        assert search(ONE_FLOW, query) in ([], ["name a"])


@given(st.text(), st.text(), st.lists(st.text()), st.text())
@settings(deadline=None)
def test_any_text_is_found_by_its_own_words(
    name: str, description: str, tags: list[str], source: str
) -> None:
    """What is indexed is found by what a query makes of the same text."""
    source = source.encode("utf-8", "ignore").decode().replace("\0", "")
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteStore.open(f"{directory}/a.db")
        try:
            for text in (name, description, *tags, source):
                said = [one.encode("utf-8", "ignore").decode() for one in (name, description, *tags)]
                put(store, said[0], source, description=said[1], tags=said[2:])
                if query_words(text):
                    assert len(search(store, text)) == 1
        finally:
            store.close()


@pytest.fixture(autouse=True, scope="module")
def _library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One store for all queries of a test."""
    global ONE_FLOW
    ONE_FLOW = SqliteStore.open(str(tmp_path_factory.mktemp("library") / "a.db"))
    put(ONE_FLOW, "name a", "near and or not")
    yield
    ONE_FLOW.close()


ONE_FLOW: SqliteStore
