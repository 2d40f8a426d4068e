"""What a search of the flow library costs: over 10,000 flows, beside the bare full-text query for the same
words.

The floor is one MATCH over the same index, of all words and whatever begins with them, ordered by FTS5's own
ranking: what SQLite gives without our order, typos and whole flows. Both in the same process, in turns.
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable

from measure import Claim, arguments, finish, in_turns

from hero_logic.core.library import Publication
from hero_logic.core.records import FlowVersion
from hero_logic.core.search_text import query_words
from hero_logic.store.sqlite import SqliteStore

FLOWS = 10_000
ROUNDS = 30
LIMIT = 20
GOAL = 5.0
SYLLABLES = [consonant + vowel for consonant in "bcdfghklmnprstvwxyz" for vowel in "ai"]
QUERIES = {
    "one rare word": "{rare}",
    "a word of every source": "flow",
    "three words": "{common} {rare} {common2}",
    "the beginning of a word": "{start}",
    "a word with a typo": "{typo}",
}


def main() -> int:
    """Measure; 1 if a goal was missed."""
    options = arguments(__doc__ or "")
    count = FLOWS // 50 if options.quick else FLOWS
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "library.db")
        store = SqliteStore.open(path)
        rare, common = fill(store, count)
        said = {"rare": rare, "common": common[0], "common2": common[1], "start": rare[:3]}
        said["typo"] = rare[:2] + rare[3] + rare[2] + rare[4:]
        claims = []
        for name, pattern in QUERIES.items():
            query = pattern.format(**said)
            measured = in_turns(
                {"floor": bare(path, query), "search": searched(store, query)},
                rounds=3 if options.quick else ROUNDS,
            )
            claims.append(
                Claim(
                    f"search, {name}",
                    values=measured["search"],
                    floor=measured["floor"],
                    floor_name="a bare MATCH",
                    unit="ms",
                    goal=None if "typo" in pattern or "flow" in pattern else GOAL,
                    limit=50.0,
                )
            )
        store.close()
    return finish(f"The library: a search over {count:,} flows", claims, options)


def fill(store: SqliteStore, count: int) -> tuple[str, list[str]]:
    """Publish so many flows; a word that few have, and words that many have."""
    dice = random.Random(8420)
    words = sorted({"".join(dice.choices(SYLLABLES, k=dice.randint(2, 4))) for _ in range(4000)})
    dice.shuffle(words)
    weights = [1 / (number + 1) for number in range(len(words))]
    for number in range(count):
        chosen = dice.choices(words, weights, k=60)
        source = "from hero_tracing import flow\n@flow\ndef main():\n    " + " = ".join(chosen[16:])
        store.put_flow(
            Publication(
                name=f"{' '.join(chosen[:2])} {number}",
                version=FlowVersion(f"{number:032x}", "f", "", source, float(number)),
                description=" ".join(chosen[2:14]),
                tags=chosen[14:16],
                new_flow_sid=f"{number:016x}",
            )
        )
    rare = next(word for word in words[1000:] if len(word) > 6)
    return rare, words[2:4]


def searched(store: SqliteStore, query: str) -> Callable[[], float]:
    """A search as the library does it, in milliseconds."""

    def once() -> float:
        began_s = time.perf_counter()
        store.search_flows(query_words(query), limit=LIMIT)
        return (time.perf_counter() - began_s) * 1000

    return once


def bare(path: str, query: str) -> Callable[[], float]:
    """The least that SQLite takes to find these words and to rank what it found, in milliseconds."""
    connection = sqlite3.connect(path)
    match = " AND ".join(f'"{word}" *' for word in query_words(query))
    statement = "SELECT rowid FROM library_index WHERE library_index MATCH ? ORDER BY rank LIMIT ?"

    def once() -> float:
        began_s = time.perf_counter()
        connection.execute(statement, (match, LIMIT)).fetchall()
        return (time.perf_counter() - began_s) * 1000

    return once


if __name__ == "__main__":
    sys.exit(main())
