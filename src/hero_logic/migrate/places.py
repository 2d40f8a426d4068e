"""Where the values of a JSON text stand: lines and columns for JSON pointers.

The parser of the standard library forgets places, so the text is walked a second time, by its tokens and
without recursion, where somebody has to be told of a place. The text has to be JSON that ``json.loads``
takes.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+', re.DOTALL)


def joined(*segments: str | int) -> str:
    """A JSON pointer of its segments.

    >>> joined("nodes", 0, "a/b")
    '/nodes/0/a~1b'
    """
    return "".join("/" + str(segment).replace("~", "~0").replace("/", "~1") for segment in segments)


class Places:
    """The places of some values in a text.

    Args:
        text: JSON.
        pointers: which values will be asked for.
    """

    def __init__(self, text: str, pointers: Iterable[str]) -> None:
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        wanted = set(pointers)
        self._offsets = _offsets(text, wanted) if wanted - {""} else {}
        self._offsets.setdefault("", len(text) - len(text.lstrip()))

    def of(self, pointer: str) -> tuple[int, int]:
        """Line and column, both from 1; those of the nearest value around it where it is not there.

        >>> Places('{"a":\\n [1]}', ["/a/0"]).of("/a/0")
        (2, 3)
        """
        while pointer not in self._offsets:
            pointer = pointer.rpartition("/")[0]
        offset = self._offsets[pointer]
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def _offsets(text: str, wanted: set[str]) -> dict[str, int]:
    """The offsets of the wanted pointers, and of all that lies around them."""
    around = set(wanted)
    for pointer in wanted:
        while pointer and (pointer := pointer.rpartition("/")[0]) not in around:
            around.add(pointer)
    found: dict[str, int] = {}
    open_: list[
        tuple[str, int]
    ] = []  # the pointer of each container around here, and -1 for objects or an index
    pointer, key = "", False
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in "}]":
            pointer = open_.pop()[0]
        elif word == ",":
            around_here, index = open_[-1]
            open_[-1] = (around_here, index + 1 if index >= 0 else index)
            key = index < 0
            pointer = f"{around_here}/{index + 1}"
        elif word == ":":
            key = False
        elif key:
            pointer = open_[-1][0] + joined(json.loads(word, strict=False))
        else:
            if pointer in around:
                found[pointer] = token.start()
            if word in "{[":
                open_.append((pointer, -1 if word == "{" else 0))
                key = word == "{"
                pointer = pointer if key else f"{pointer}/0"
    return found
