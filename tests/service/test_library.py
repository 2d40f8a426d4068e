"""Finding flows by words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.errors import UsageError
from hero_logic.service.flows import Flows
from hero_logic.service.library import MAX_FOUND, Library
from hero_logic.store.sqlite import SqliteStore

SOURCE = "from hero_tracing import flow\n@flow\ndef main(): {}\n"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Three flows in a real store."""
    store = SqliteStore.open(str(Path(tmp_path_factory.mktemp("library")) / "a.db"))
    times, sids = count(1), count(1)
    flows = Flows(store, now_ms=lambda: float(next(times)), new_sid=lambda: f"{next(sids):016x}")
    flows.put(name="fetch_prices", python_source=SOURCE.format("load"), description="Prices of a day.")
    flows.put(name="nightly report", python_source=SOURCE.format("send"), tags=["sales"])
    flows.put(name="backup", python_source=SOURCE.format("copy"), description="Copies the sales.")
    yield Library(store)
    store.close()


def names(library: Library, query: str, limit: int = 20) -> list[str]:
    return [flow.name for flow in library.search(query, limit=limit).flows]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("prices", ["fetch_prices"]),
        ("fetchPrices", ["fetch_prices"]),
        ("sales", ["backup", "nightly report"]),
        ("repotr", ["nightly report"]),
        ("nightly AND report", ["nightly report"]),
        ("send", ["nightly report"]),
        ("nothing like it", []),
    ],
)
def test_flows_are_found_by_their_words(library: Library, query: str, found: list[str]) -> None:
    """As the store's contract has it; the parts of a name that is put together are tried last."""
    assert names(library, query) == found


@pytest.mark.parametrize("query", ["", "  ", "\n", '"*()'])
def test_a_query_without_words_finds_the_newest(library: Library, query: str) -> None:
    """The one that was published last first."""
    assert names(library, query) == ["backup", "nightly report", "fetch_prices"]
    assert names(library, query, limit=1) == ["backup"]


@given(st.text() | st.text('"*^(){}:+-ANDORNT \0\\%_', max_size=20))
def test_no_query_is_an_error(library: Library, query: str) -> None:
    """Whatever is typed."""
    found = library.search(query)

    assert found.query == query
    assert len(found.flows) <= 3


def test_a_limit_is_a_number_from_1_up(library: Library) -> None:
    """What is above the most is the most."""
    with pytest.raises(UsageError):
        library.search("x", limit=0)
    assert len(library.search("", limit=MAX_FOUND * 100).flows) == 3
