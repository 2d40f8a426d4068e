"""Pieces of Python source: built by structure, set in lines as a formatter would.

Every text of the workflow gets into the source through :func:`quoted` or :func:`as_comment`, and through
nothing else but the bodies of scripts: that is what makes an injection impossible.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OR, AND, NOT, COMPARISON, ATOM = range(1, 6)
"""How tightly a piece holds together; what holds less tightly than its place asks is put in brackets."""

WIDTH = 88
MAX_DEPTH = 40
"""Of JSON in a workflow: Python's own parser gives up at two hundred brackets."""

Kind = Literal["any", "bool", "number", "string", "list", "object", "null"]


@dataclass(frozen=True, slots=True)
class Code:
    """An expression of Python.

    Attributes:
        text: on one line.
        level: how tightly it holds together.
        kind: which type of JSON it surely has, if one is known.
        uses: the functions of the prelude that it calls.
        parts: what it may be broken into where the line is too long: texts, or pieces.
        brackets: what stands around the parts.
        is_wordy: whether it is a constant without a number or a boolean anywhere in it.
        is_constant: whether it is a constant.
    """

    text: str
    level: int = ATOM
    kind: Kind = "any"
    uses: frozenset[str] = frozenset()
    parts: tuple[tuple[str, Code], ...] = ()
    brackets: tuple[str, str] = ("", "")
    is_wordy: bool = field(default=False, compare=False)
    is_constant: bool = field(default=False, compare=False)


def in_brackets(code: Code) -> str:
    """The text in round brackets."""
    return f"({code.text})"


def kind_of(value: object) -> Kind:
    """The type of JSON that a value has."""
    if value is None:
        return "null"
    for kind, types in (("bool", bool), ("number", (int, float)), ("string", str), ("list", list)):
        if isinstance(value, types):
            return kind  # type: ignore[return-value]  # one of the words above
    return "object"


def constant(value: object) -> Code:
    """JSON as Python.

    >>> constant({"a": [True, None, 1.5]}).text
    '{"a": [True, None, 1.5]}'
    """
    if isinstance(value, str):
        code = _text(value)
    elif isinstance(value, list):
        code = listed([constant(item) for item in value])
    elif isinstance(value, dict):
        code = keyed([(key, constant(item)) for key, item in value.items()])
    else:
        code = Code(repr(value).replace("e+", "e"), ATOM, kind_of(value), is_wordy=value is None)
    return replace(code, is_constant=True)


def is_true(code: Code) -> bool:
    """Whether a constant counts as true.

    >>> is_true(constant([])), is_true(constant("0"))
    (False, True)
    """
    return bool(ast.literal_eval(code.text))


def without_constants(word: str, parts: Iterable[Code]) -> list[Code]:
    """The operands of ``and`` or ``or`` that count: a constant decides, alone, or it does not."""
    all_parts = list(parts)
    decisive = word == "or"
    known = [is_true(part) for part in all_parts if part.is_constant]
    if decisive in known:
        return [constant(decisive)]
    return [part for part in all_parts if not part.is_constant] or [constant(not decisive)]


def _text(value: str) -> Code:
    quoted_text = quoted(value)
    lines = value.splitlines(keepends=True) if "\n" in value else _worded(value)
    parts = tuple(("", Code(quoted(line))) for line in lines) if len(quoted_text) > 50 else ()
    return Code(quoted_text, ATOM, "string", parts=parts, brackets=("(", ")"), is_wordy=True)


def _worded(value: str) -> list[str]:
    """A long text in pieces of a line each, cut behind spaces."""
    pieces = [""]
    for word in value.replace(" ", " \0").split("\0"):
        if len(pieces[-1]) + len(word) > 60 and pieces[-1]:
            pieces.append("")
        pieces[-1] += word
    return pieces


def chained(word: Literal["and", "or"], parts: Iterable[Code], *, brackets_alike: bool = True) -> Code:
    """Some tests as one; ``brackets_alike``: those that the same word joins stand in brackets, too."""
    left = without_constants(word, parts)
    if len(left) == 1:
        return left[0]
    level = AND if word == "and" else OR
    # Python itself needs fewer brackets; a reader is glad of these.
    pieces = [
        Code(in_brackets(part), parts=part.parts, brackets=part.brackets)
        if part.level in (AND, OR) and (brackets_alike or part.level != level)
        else part
        for part in left
    ]
    kind: Kind = "bool" if all(part.kind == "bool" for part in left) else "any"
    text = f" {word} ".join(piece.text for piece in pieces)
    return Code(text, level, kind, uses_of(left), tuple(("", piece) for piece in pieces), (word, ""))


_WORD = re.compile(r"[^ \n]*[ \n]|[^ \n]+")
_LINE_CHARACTERS = 60
"""After so many a long text goes on in the next line, behind a space."""


def filled(parts: Sequence[str | Code]) -> Code:
    """A text with values in it: an f-string; a sum, where Python before 3.12 could not read the f-string.

    A value that is surely a text or a number stands in it as Python shows it; any other by ``shown``.

    >>> filled(["a {", Code("x", kind="number"), "}"]).text
    'f"a {{{x}}}"'
    """
    values = {id(part): _as_text(part) for part in parts if isinstance(part, Code)}
    uses = uses_of(values.values())
    fields = {number: _field(code) for number, code in values.items()}
    if None in fields.values():
        pieces = [
            constant(part) if isinstance(part, str) else values[id(part)] for part in parts if part != ""
        ]
        text = " + ".join(piece.text for piece in pieces)
        return Code(text, COMPARISON, "string", uses, tuple(("", piece) for piece in pieces), ("+", ""))
    words: list[tuple[str, str]] = []
    for part in parts:
        if isinstance(part, str):
            words += [("", word) for word in _WORD.findall(part)]
        else:
            words.append((fields[id(part)] or "", ""))
    lines: list[list[tuple[str, str]]] = [[]]
    for word in words:
        length = sum(len(field or text) for field, text in [*lines[-1], word])
        if lines[-1] and (length > _LINE_CHARACTERS or lines[-1][-1][1].endswith("\n")):
            lines.append([])
        lines[-1].append(word)
    pieces = [Code(_f_string(line)) for line in lines]
    return Code(_f_string(words), ATOM, "string", uses, tuple(("", piece) for piece in pieces), ("(", ")"))


def _as_text(code: Code) -> Code:
    return code if code.kind in ("string", "number") else call("shown", code, kind="string")


def _field(code: Code) -> str | None:
    """An expression as it may stand in an f-string in double quotes; None: it may not, before Python 3.12."""
    if any(sign in code.text for sign in "\\'#{"):
        return None
    return "{" + code.text.replace('"', "'") + "}"


def _f_string(words: Sequence[tuple[str, str]]) -> str:
    """Words as a literal of Python; of each it is a field, or its text that counts."""
    if not any(field for field, _ in words):
        return quoted("".join(text for _, text in words))
    body = "".join(
        field or "".join(map(escaped, text)).replace('"', '\\"').replace("{", "{{").replace("}", "}}")
        for field, text in words
    )
    return f'f"{body}"'


def listed(items: Sequence[Code]) -> Code:
    """A list."""
    return Code(
        f"[{', '.join(item.text for item in items)}]",
        ATOM,
        "list",
        uses_of(items),
        tuple(("", item) for item in items),
        ("[", "]"),
        all(item.is_wordy for item in items),
    )


def keyed(items: Sequence[tuple[str, Code]]) -> Code:
    """A dict with texts as keys."""
    pairs = [(f"{quoted(key)}: ", value) for key, value in items]
    return Code(
        f"{{{', '.join(key + value.text for key, value in pairs)}}}",
        ATOM,
        "object",
        uses_of([value for _, value in items]),
        tuple(pairs),
        ("{", "}"),
        all(value.is_wordy for _, value in items),
    )


def call(function: str, *arguments: Code, kind: Kind = "any", named: Sequence[tuple[str, Code]] = ()) -> Code:
    """A call; the function counts as used."""
    parts = [("", argument) for argument in arguments] + [(f"{name}=", value) for name, value in named]
    return Code(
        f"{function}({', '.join(prefix + value.text for prefix, value in parts)})",
        ATOM,
        kind,
        uses_of([value for _, value in parts]) | {function},
        tuple(parts),
        (f"{function}(", ")"),
    )


def variable(name: str, kind: Kind = "any") -> Code:
    """A variable of the flow, which counts as read; ``Body.reads`` knows it by the sign."""
    return Code(name, kind=kind, uses=frozenset(("=" + name,)))


def early(code: Code) -> Code:
    """The same where its variables may not have been set yet: they are there before anything runs."""
    return replace(code, uses=code.uses | {"~" + use[1:] for use in code.uses if use[0] == "="})


def uses_of(items: Iterable[Code]) -> frozenset[str]:
    """What any of them uses."""
    return frozenset().union(*(item.uses for item in items))


def in_triple_quotes(line: str) -> str:
    """A line of a text in three double quotes, with its escapes; the last one is to be :func:`closed`."""
    return "".join(map(escaped, line)).replace('"""', '\\"\\"\\"')


def closed(line: str) -> str:
    """The last line of a text in three double quotes, with those behind it; ``line`` has its escapes."""
    before = line[:-1]
    is_escaped = (len(before) - len(before.rstrip("\\"))) % 2
    return (before + '\\"' if line.endswith('"') and not is_escaped else line) + '"""'


def quoted(value: str) -> str:
    r"""A text as a literal of Python, on one line, all of it in ASCII letters, signs and printable others.

    What a terminal or an editor would act on (controls, directions of writing, halves of surrogates) is
    escaped, so that the line is what it looks like.

    >>> quoted('say "hi"\n')
    '\'say "hi"\\n\''
    """
    body = "".join(map(escaped, value))
    if '"' in value and "'" not in value:
        return f"'{body}'"
    return '"' + body.replace('"', '\\"') + '"'


_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(character: str) -> str:
    """A character as it may stand in a literal; quotes are not this one's business."""
    if " " <= character <= "~" and character != "\\":
        return character
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def as_comment(key: str, value: object) -> str:
    """A key of the workflow that means nothing here, as a comment on one line.

    No second ``#`` is in it, so that it can be no word to a linter or a type checker.
    """
    text = f"{json.dumps(key)}: {json.dumps(value)}"
    return f"# kept from the workflow: {text}".replace("#", "\\u0023").replace("\\u0023", "#", 1)


def _broken_in_last(code: Code, prefix: str, word: str) -> tuple[str, str]:
    """Of two operands the last of which stands in brackets: all before its inside, and that; else nothing.

    So formatters break such a line, and one of three operands behind each of them.
    """
    if not word or len(code.parts) != 2 or not code.parts[1][1].text.startswith("("):
        return "", ""
    (_, one), (own, other) = code.parts
    return f"{prefix}{one.text} {own or word}(", other.text[1:-1]


def in_lines(code: Code, prefix: str, suffix: str, indent: int, *, is_inside: bool = False) -> list[str]:
    """A statement with an expression in it, in lines that are not too long where that can be.

    Args:
        code: the expression.
        prefix: what stands before it.
        suffix: what stands behind it.
        indent: in characters.
        is_inside: whether brackets stand around it already.

    >>> in_lines(constant(["a" * 40, "b" * 40]), "x = ", "", 0)[0]
    'x = ['
    """
    margin = " " * indent
    line = f"{margin}{prefix}{code.text}{suffix}"
    if len(line) <= WIDTH or not code.parts:
        return [line]
    opening, closing = code.brackets
    if not closing or opening == "(":
        word = "" if closing else f"{opening} "
        head, inner = _broken_in_last(code, f"{margin}{prefix}", word)
        if not is_inside and inner and max(len(head), indent + 4 + len(inner)) <= WIDTH:
            return [head, f"{margin}    {inner}", f"{margin}){suffix}"]
        bare = is_inside and not prefix and not code.text.startswith("(")
        lines = [] if bare else [f"{margin}{prefix}("]
        deeper = indent if bare else indent + 4
        if not bare and deeper + len(code.text) <= WIDTH:
            return [*lines, f"{' ' * deeper}{code.text}", f"{margin}){suffix}"]
        for number, (own, part) in enumerate(code.parts):
            last = suffix if bare and number == len(code.parts) - 1 else ""
            lines += in_lines(part, (own or word) if number else "", last, deeper, is_inside=True)
        return lines if bare else [*lines, f"{margin}){suffix}"]
    only = code.parts[0][1]
    if (
        len(code.parts) == 1
        and opening.endswith("(")
        and not code.parts[0][0]
        and only.brackets[0] in ("[", "{")
    ):
        # A lone list or dict hugs the brackets of its call, as formatters set it.
        return in_lines(only, prefix + opening, closing + suffix, indent)
    lines = [f"{margin}{prefix}{opening}"]
    for name, part in code.parts:
        # Pieces of a text would look like items of the list.
        is_item = opening == "[" and part.brackets[0] == "("
        lines += in_lines(part, name, ",", indent + 4, is_inside=not is_item)
    return [*lines, f"{margin}{closing}{suffix}"]
