"""The words of a text, and how near two words are: what the index of the library and a search agree on.

1. A word is a run of letters and digits, in small letters, without accents. A letter of Chinese or Japanese
   is a word of its own, since nothing parts words there.
2. Of ``fetchPrices`` the parts are found too. A query's words are whole: nobody who looks for GitHub means
   a hub.
3. Words are cut at ``MAX_WORD_CHARS``, in an index and in a query alike. So nothing of a query can be
   anything but letters and digits, whatever was typed.
"""

from __future__ import annotations

import re
import unicodedata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

MAX_WORD_CHARS = 64
MAX_WORDS = 8
"""Of a query; what comes after them is not looked for."""
MAX_QUERY_CHARS = 1000
MAX_INDEXED_WORDS = 50_000
"""Different ones, of one text."""
MAX_GUESSES = 10
"""Words that one with a typo may have been meant as."""

COLUMNS = ("name", "description", "tags", "source")
FUZZY_COLUMNS = COLUMNS[:3]
"""A source has too many words for one of them to be meant by another."""
COLUMN_WEIGHTS = {"name": 1000, "description": 100, "tags": 10, "source": 1}
"""So far apart that no match in a column outweighs a better one in a column before it."""
EXACT, PREFIX = 9, 8
"""How good a match is, times the weight of its column. One with ``n`` typos is ``PREFIX - 2 * n``."""
SURE = 10_000
"""What a match counts more than a guess at what was meant, whichever column it is in."""

_SINGLE = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_SINGLE}]|[^\W_{_SINGLE}]+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def query_words(query: str) -> list[str]:
    """The words that a query asks for, each once.

    >>> query_words('Résumé_of "GitHub" AND*')
    ['resume', 'of', 'github', 'and']
    """
    found = (_normal(word) for word in _whole_words(query[:MAX_QUERY_CHARS]))
    return list(dict.fromkeys(word for word in found if word))[:MAX_WORDS]


def name_key(text: str) -> str:
    """A text by which it is found whole: its words, joined.

    >>> name_key("Nightly-Report")
    'nightly report'
    """
    return " ".join(filter(None, map(_normal, _whole_words(text))))


def name_texts(name: str) -> list[str]:
    """The texts by whose words a name is found: itself, and its words written as one.

    >>> name_texts("nightly report")
    ['nightly report', 'nightlyreport']
    """
    return [name, name_key(name).replace(" ", "")]


def index_words(texts: Iterable[str]) -> list[str]:
    """The words by which texts are found, each once, with the parts of those that are put together.

    >>> index_words(["fetchPrices of HTTPServer"])
    ['fetchprices', 'fetch', 'prices', 'of', 'httpserver', 'http', 'server']
    """
    found: dict[str, None] = {}
    for text in texts:
        for word in _whole_words(text):
            for one in (word, *_parts(word)):
                normal = _normal(one)
                if normal:
                    found[normal] = None
            if len(found) >= MAX_INDEXED_WORDS:
                return list(found)
    return list(found)


def _whole_words(text: str) -> Iterator[str]:
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = "".join(character for character in text if unicodedata.category(character)[0] != "M")
    return (found[0] for found in _WORD.finditer(text))


def _parts(word: str) -> list[str]:
    """The parts of a word with capitals in it; none of one without."""
    if word.islower() or word.isupper() or word[1:].islower() or not word.isascii():
        return []
    parts = _PART.findall(word)
    return parts if len(parts) > 1 else []


def _normal(word: str) -> str:
    folded = word.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKD", folded)
        folded = "".join(character for character in folded if character.isalnum())
    return folded[:MAX_WORD_CHARS]


def grams(word: str) -> set[str]:
    """The pieces of three letters of a word, its beginning and its end marked: words that are near share
    some.

    >>> sorted(grams("cat"))
    ['  c', ' ca', 'at ', 'cat', 't  ']
    """
    padded = f"  {word}  "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}


def allowed_typos(word: str) -> int:
    """How many letters of a word may be wrong: none of a short one, where any other word would be near."""
    if len(word) < 3:
        return 0
    return 1 if len(word) < 6 else 2


def typos(word: str, meant: str) -> int:
    """How many letters have to be added, removed, replaced or swapped with the next, to get from one to the
    other.

    Counting ends where there are more than :func:`allowed_typos`.

    >>> typos("reprot", "report"), typos("nigtly", "nightly"), typos("cat", "dog") > allowed_typos("cat")
    (1, 1, True)
    """
    most = allowed_typos(word)
    if abs(len(word) - len(meant)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(meant) + 1))
    for i, letter in enumerate(word):
        further = [i + 1]
        for j, other in enumerate(meant):
            cost = min(row[j] + (letter != other), row[j + 1] + 1, further[j] + 1)
            if i and j and letter == meant[j - 1] and word[i - 1] == other:
                cost = min(cost, before[j - 1] + 1)
            further.append(cost)
        if min(further) > most:
            return most + 1
        before, row = row, further
    return row[-1]


def guesses(word: str, known: Iterable[str]) -> list[tuple[str, int]]:
    """The words that one may have been meant as, the nearest first, each with how many typos that makes."""
    most = allowed_typos(word)
    if not most:
        return []
    counted = sorted((typos(word, one), one) for one in known)
    return [(one, count) for count, one in counted if count <= most][:MAX_GUESSES]


def score(word: str, meant: Mapping[str, int], words_of: Callable[[str], Collection[str]]) -> int:
    """What the best match of a word in a flow is worth; 0 for none.

    Args:
        word: what was asked for.
        meant: what it may have been meant as, each with how many typos that makes.
        words_of: the words of a column; a column is asked for once, and those before it first.

    >>> score("rep", {}, {"name": ["report"], "description": ["rep"]}.get) == 1000 * PREFIX * SURE
    True
    """
    guessed = 0
    for column in COLUMNS:
        words = words_of(column)
        weight = COLUMN_WEIGHTS[column]
        if word in words:
            return weight * EXACT * SURE
        if any(one.startswith(word) for one in words):
            return weight * PREFIX * SURE
        if column in FUZZY_COLUMNS:
            guessed = max(
                [guessed, *(weight * (PREFIX - 2 * count) for one, count in meant.items() if one in words)]
            )
    return guessed
