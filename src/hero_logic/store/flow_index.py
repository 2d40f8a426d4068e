"""The words by which flows of the embedded store are found.

Each function works within a transaction of the caller.
"""

from __future__ import annotations

from hero_logic.core.search_text import (
    COLUMN_WEIGHTS,
    COLUMNS,
    EXACT,
    FUZZY_COLUMNS,
    PREFIX,
    SURE,
    allowed_typos,
    grams,
    guesses,
    index_words,
    name_texts,
    score,
)
from hero_logic.store import flow_queries

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_MAX_NEAR_TERMS = 500
"""Looked at for one word: those that share most pieces with it."""
MAX_READ_FLOWS = 200
"""Flows that have all words of a search: of no more, the words are read and looked at, which is quicker
than to have SQLite tell for each word and each column which flows have it there."""


def add_words(
    connection: sqlite3.Connection,
    place: int,
    *,
    name: str,
    description: str,
    tags: Sequence[str],
    source: str,
) -> None:
    """Have a flow found by its words."""
    words = [index_words(texts) for texts in (name_texts(name), [description], tags, [source])]
    connection.execute(flow_queries.ADD_WORDS, (place, *map(" ".join, words)))
    for term in dict.fromkeys(word for column in words[: len(FUZZY_COLUMNS)] for word in column):
        # What no typo can be made in is never meant by another word.
        if allowed_typos(term) and connection.execute(flow_queries.ADD_TERM, (term,)).rowcount:
            term_id = connection.execute(flow_queries.TERM_ID, (term,)).fetchone()[0]
            connection.executemany(flow_queries.ADD_GRAM, [(gram, term_id) for gram in grams(term)])


def drop_words(connection: sqlite3.Connection, place: int) -> None:
    """Have a flow found no more; nor a word that it alone had."""
    found = connection.execute(flow_queries.GET_WORDS, (place,)).fetchone()
    if found is None:
        return
    connection.execute(flow_queries.DROP_WORDS, (place,))
    for term in dict.fromkeys(" ".join(found).split()):
        exact = flow_queries.match(FUZZY_COLUMNS, term, is_prefix=False)
        if connection.execute(flow_queries.HAS_WORD, (exact,)).fetchone() is not None:
            continue
        known = connection.execute(flow_queries.TERM_ID, (term,)).fetchone()
        if known is not None:
            connection.executemany(flow_queries.DROP_GRAM, [(gram, known[0]) for gram in grams(term)])
            connection.execute(flow_queries.DROP_TERM, known)


def search(connection: sqlite3.Connection, words: Sequence[str], limit: int) -> list[int]:
    """The places of the flows that a search finds, the best first (flow_contract.py)."""
    first = [place for (place,) in connection.execute(flow_queries.FLOW_BY_KEY, (" ".join(words), limit))]
    sought = [_Sought(connection, word) for word in words]
    room = limit + len(first)
    found = _with_all(connection, sought, room)
    if not found and len(words) > 1:
        found = _ranked(connection, sought, room, with_all=False)
    most = found[0][1] if found else 0
    ordered = dict.fromkeys(first)
    ordered.update(dict.fromkeys(place for place, count, _ in found if count == most))
    return list(ordered)[:limit]


class _Sought:
    """One word of a search: what finds it, and what each of that is worth."""

    def __init__(self, connection: sqlite3.Connection, word: str) -> None:
        self.word = word
        self.meant: dict[str, int] = {}
        self.matches: list[tuple[int, str]] = []
        for column in COLUMNS:
            weight = COLUMN_WEIGHTS[column] * SURE
            self.matches.append((weight * EXACT, flow_queries.match([column], word, is_prefix=False)))
            self.matches.append((weight * PREFIX, flow_queries.match([column], word, is_prefix=True)))
        anywhere = [flow_queries.match(COLUMNS, word, is_prefix=True)]
        known = flow_queries.match(FUZZY_COLUMNS, word, is_prefix=True)
        if connection.execute(flow_queries.HAS_WORD, (known,)).fetchone() is None:
            self.meant = dict(guesses(word, _near(connection, word)))
            for meant, count in self.meant.items():
                anywhere.append(flow_queries.match(FUZZY_COLUMNS, meant, is_prefix=False))
                self.matches += [
                    (
                        COLUMN_WEIGHTS[column] * (PREFIX - 2 * count),
                        flow_queries.match([column], meant, is_prefix=False),
                    )
                    for column in FUZZY_COLUMNS
                ]
        self.anywhere = f"({' OR '.join(anywhere)})"


def _with_all(
    connection: sqlite3.Connection, sought: Sequence[_Sought], limit: int
) -> list[tuple[int, int, int]]:
    """As :func:`_ranked`, of the flows that have all words."""
    if len(sought) == 1:
        return _ranked(connection, sought, limit, with_all=True)
    everything = " AND ".join(word.anywhere for word in sought)
    places = connection.execute(flow_queries.PLACES, (everything, MAX_READ_FLOWS + 1)).fetchall()
    if len(places) > MAX_READ_FLOWS:
        return _ranked(connection, sought, limit, with_all=True)
    found = []
    for (place,) in places:
        columns = _Columns(connection, place)
        worth = sum(score(word.word, word.meant, columns.words) for word in sought)
        found.append((place, len(sought), worth))
    found.sort(key=lambda one: (-one[2], -one[0]))
    return found[:limit]


class _Columns:
    """The words of a flow; those of its source are read where they are asked for."""

    def __init__(self, connection: sqlite3.Connection, place: int) -> None:
        self._connection = connection
        self._place = place
        texts = connection.execute(flow_queries.GET_WORDS, (place,)).fetchone()
        self._words: dict[str, list[str]] = {
            column: text.split() for column, text in zip(FUZZY_COLUMNS, texts, strict=True)
        }

    def words(self, column: str) -> list[str]:
        """The words of a column."""
        if column not in self._words:
            (text,) = self._connection.execute(flow_queries.GET_SOURCE_WORDS, (self._place,)).fetchone()
            self._words[column] = text.split()
        return self._words[column]


def _ranked(
    connection: sqlite3.Connection, sought: Sequence[_Sought], limit: int, *, with_all: bool
) -> list[tuple[int, int, int]]:
    """Places, each with how many of the words are found there, and what that is worth: the best first.

    Args:
        connection: in a transaction.
        sought: the words.
        limit: how many at the most.
        with_all: whether only flows are wanted that have all of them: few, as a rule, and then it is quick.
    """
    values: list[object] = []
    for number, word in enumerate(sought):
        others = [other.anywhere for other in sought if other is not word and with_all]
        for worth, match in word.matches:
            values += (number, worth, " AND ".join([match, *others]))
    statement = flow_queries.search(len(values) // 3)
    return list(connection.execute(statement, (*values, limit)))


def _near(connection: sqlite3.Connection, word: str) -> list[str]:
    """Known words that may be near to one."""
    import msgspec

    most = allowed_typos(word)
    pieces = msgspec.json.encode(sorted(grams(word))).decode()
    lengths = (len(word) - most, len(word) + most)
    near = connection.execute(flow_queries.NEAR_TERMS, (pieces, *lengths, _MAX_NEAR_TERMS))
    return [str(term) for (term,) in near]
