"""The words of texts, and how near two of them are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.search_text import (
    COLUMNS,
    MAX_GUESSES,
    MAX_INDEXED_WORDS,
    MAX_WORD_CHARS,
    MAX_WORDS,
    allowed_typos,
    grams,
    guesses,
    index_words,
    query_words,
    score,
    typos,
)

letters = st.text("abc", max_size=9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n", []),
        ("nightly_report-2", ["nightly", "report", "2"]),
        ("Ünïcode STRASSE straße", ["unicode", "strasse"]),
        ("cafe\u0301", ["cafe"]),
        ("日本 カナ", ["日", "本", "カ", "ナ"]),
        ("a1日b", ["a1", "日", "b"]),
        ("हिन्दी", ["हनद"]),
        ("ﬁn", ["fin"]),
        ("½", ["1", "2"]),
        ('"*^(){}:+- AND\0', ["and"]),
        ("\ud800x\udfff", ["x"]),
        ("x" * 100, ["x" * MAX_WORD_CHARS]),
        ("GitHub", ["github"]),
    ],
)
def test_a_query_has_the_words_that_are_in_it(text: str, words: list[str]) -> None:
    """Letters and digits, in small letters, without accents, each once."""
    assert query_words(text) == words


def test_a_query_is_bounded() -> None:
    """Words past the limit are not looked for."""
    assert len(query_words(" ".join(f"w{number}" for number in range(100)))) == MAX_WORDS
    assert query_words("x " * 10_000) == ["x"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fetchPrices", ["fetchprices", "fetch", "prices"]),
        ("HTTPServer2Go", ["httpserver2go", "http", "server", "2", "go"]),
        ("Report REPORT report", ["report"]),
        ("snake_case", ["snake", "case"]),
        ("ÉtéLong", ["etelong", "ete", "long"]),
    ],
)
def test_an_index_has_the_parts_of_words_too(text: str, words: list[str]) -> None:
    """Those that capitals begin."""
    assert index_words([text]) == words


def test_an_index_is_bounded() -> None:
    """A source of a megabyte of different words does not fill the store."""
    assert len(index_words([" ".join(f"w{number}" for number in range(200_000))])) == MAX_INDEXED_WORDS


@given(st.text())
def test_what_is_indexed_is_what_is_looked_for(text: str) -> None:
    """Each word of a query is a word of the index of the same text, and letters and digits alone."""
    words = query_words(text)

    assert set(words) <= set(index_words([text]))
    assert all(word.isalnum() and len(word) <= MAX_WORD_CHARS for word in words)


def distance(one: str, other: str) -> int:
    """The same distance, as its definition has it."""
    table = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            table[i, j] = min(
                table[i - 1, j] + 1,
                table[i, j - 1] + 1,
                table[i - 1, j - 1] + (one[i - 1] != other[j - 1]),
            )
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(one), len(other)]


@given(letters, letters)
def test_typos_are_counted_up_to_what_is_allowed(one: str, other: str) -> None:
    """As the definition of the distance has it; past the limit the count only says that it is past it."""
    most = allowed_typos(one)

    assert min(typos(one, other), most + 1) == min(distance(one, other), most + 1)


@given(letters.filter(lambda word: len(word) > 2), st.data())
def test_a_word_with_one_typo_shares_a_piece_with_the_word(word: str, data: st.DataObject) -> None:
    """So it is among those that are looked at."""
    at = data.draw(st.integers(0, len(word) - 1))
    swapped = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
    changed = data.draw(
        st.sampled_from(
            [word[:at] + word[at + 1 :], f"{word[:at]}x{word[at:]}", f"{word[:at]}x{word[at + 1 :]}"]
        )
    )

    assert grams(word) & grams(changed)
    assert grams(word) & grams(swapped)


def test_guesses_are_the_nearest_first_and_bounded() -> None:
    """Of a short word there are none."""
    known = ["weather", "wether", "leather", "feather", "dog"]

    assert guesses("wethre", known) == [("wether", 1), ("weather", 2)]
    assert guesses("do", known) == []
    assert len(guesses("weather", [f"weathe{letter}" for letter in "abcdefghijklmnop"])) == MAX_GUESSES


def test_a_better_column_outweighs_any_match_in_those_after_it() -> None:
    """A beginning in a name is worth more than a whole word in a description; a guess less than any match."""

    def of(column: str, word: str, meant: dict[str, int] | None = None) -> int:
        return score(word, meant or {}, lambda one: ["report"] if one == column else [])

    worths = [of(column, word) for column in COLUMNS for word in ("report", "rep")]
    guessed = [of(column, "reprot", {"report": 1}) for column in COLUMNS[:3]]

    assert worths == sorted(worths, reverse=True)
    assert guessed == sorted(guessed, reverse=True)
    assert 0 < guessed[0] < worths[-1]
    assert of("source", "reprot", {"report": 1}) == 0
