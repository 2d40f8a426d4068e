"""What a docstring says of parameters, in the three ways in which people write it.

1. Google: a section ``Args:`` with a line ``name (type): text`` each, further lines indented deeper.
2. NumPy: a section ``Parameters`` with a line of dashes below, ``name : type``, the text indented.
3. reST: ``:param type name: text``.

What is written in another way says nothing: a missing description harms nobody.
"""

from __future__ import annotations

import re  # no cost at a start: this module is loaded for a schema or a message alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SECTIONS = frozenset(
    {
        "args",
        "arguments",
        "attributes",
        "inputs",
        "keyword args",
        "keyword arguments",
        "other parameters",
        "parameters",
        "params",
    }
)
_NAME = r"\*{0,2}(\w{1,200})"
_GOOGLE = re.compile(rf"{_NAME}\s*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s*:\s?(.*)")
_NUMPY = re.compile(rf"({_NAME}(?:\s*,\s*{_NAME})*)\s*(?::.*)?$")
_REST = re.compile(rf":(?:param|parameter|arg|argument|key|keyword)\s(?:.*\s)?{_NAME}\s*:\s?(.*)")
_DASHES = re.compile(r"[-=]{3,}")
_MAX_LINES = 5000


def parameter_descriptions(docstring: str) -> dict[str, str]:
    r"""The descriptions of parameters, by name, each as one line.

    >>> parameter_descriptions("Greets.\n\n    Args:\n        name (str): whom\n            to greet.\n")
    {'name': 'whom to greet.'}
    >>> parameter_descriptions("Greets.\n\nParameters\n----------\nname : str\n    whom to greet\n")
    {'name': 'whom to greet'}
    >>> parameter_descriptions(":param str name: whom to greet")
    {'name': 'whom to greet'}
    """
    lines = docstring.expandtabs().split("\n")[:_MAX_LINES]
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        title = line.strip()
        if title.startswith(":"):
            entries = _rest_entry(lines, number)
        elif title.rstrip(":").lower() not in _SECTIONS:
            continue
        elif title.endswith(":"):
            entries = _google_entries(lines, number)
        elif number + 1 < len(lines) and _DASHES.fullmatch(lines[number + 1].strip()):
            entries = _numpy_entries(lines, number)
        else:
            continue
        for name, text in entries:
            if text and name.isidentifier():
                found.setdefault(name, text)
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _google_entries(lines: list[str], title: int) -> Iterator[tuple[str, str]]:
    """The entries below a title: all that is indented deeper than it."""
    around = _indent(lines[title])
    entry_indent: int | None = None
    name, words = "", list[str]()
    for line in lines[title + 1 :]:
        if not line.strip():
            continue
        indent = _indent(line)
        if indent <= around:
            break
        if entry_indent is None:
            entry_indent = indent
        entry = _GOOGLE.fullmatch(line.strip()) if indent == entry_indent else None
        if entry:
            yield name, " ".join(words)
            name, words = entry[1], [entry[2].strip()]
        else:
            words.append(line.strip())
    yield name, " ".join(words).strip()


def _numpy_entries(lines: list[str], title: int) -> Iterator[tuple[str, str]]:
    """The entries below a title and its dashes, up to the next title."""
    around = _indent(lines[title])
    names, words = list[str](), list[str]()
    rest = lines[title + 2 :]
    for number, line in enumerate(rest):
        if not line.strip():
            continue
        if _indent(line) > around:
            words.append(line.strip())
            continue
        entry = _NUMPY.fullmatch(line.strip())
        is_title = number + 1 < len(rest) and _DASHES.fullmatch(rest[number + 1].strip())
        if entry is None or is_title or _indent(line) < around:
            break
        yield from ((name, " ".join(words)) for name in names)
        names, words = [name.strip(" *") for name in entry[1].split(",")], []
    yield from ((name, " ".join(words)) for name in names)


def _rest_entry(lines: list[str], start: int) -> Iterator[tuple[str, str]]:
    """A field, and the lines below it that are indented deeper."""
    entry = _REST.fullmatch(lines[start].strip())
    if entry is None:
        return
    words = [entry[2].strip()]
    for line in lines[start + 1 :]:
        if not line.strip() or _indent(line) <= _indent(lines[start]):
            break
        words.append(line.strip())
    yield entry[1], " ".join(words).strip()
