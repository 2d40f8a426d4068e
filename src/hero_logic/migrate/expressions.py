"""The expression language of legacy workflows: read into a tree, written as Python; never evaluated.

1. Whatever the text, reading ends in a tree or in an ExpressionFault.
2. Where Python means provably the same, plain Python is written; where it does not (``1 == True``, an order
   among values of any type, a path that is not there) a function of ``prelude.py`` is called by name.
3. Nesting is bounded, and long chains of ``and`` and ``or`` are flat.

>>> write(read("inputs.country != 'NL' and not inputs.express"), Bare()).text
'at(inputs, "country") != "NL" and not at(inputs, "express")'
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from hero_logic.migrate.code import (
    ATOM,
    COMPARISON,
    NOT,
    Code,
    call,
    chained,
    constant,
    in_brackets,
    is_true,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NESTING = 40
_LITERALS: dict[str, object] = {"true": True, "false": False, "null": None}
_ROOTS = ("inputs", "outputs", "nodes")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "contains", "in")
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\\x00-\x1f]|\\.)*"|'(?:[^'\\\x00-\x1f]|\\.)*')
    |(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![^\s()\[\]{}'"=!<>,:]))
    |(?P<operator>[=!<>]=|[<>])
    |(?P<mark>[()\[\]{}:,])
    |(?P<word>(?:true|false|null)(?![^\s()\[\]{}'"=!<>,:])|[^\s()\[\]{}'"=!<>,:][^\s()\[\]{}'"=!<>]*)
    )""",
    re.VERBOSE | re.DOTALL,
)


class ExpressionFault(ValueError):
    """A text that is no expression: what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    value: object


@dataclass(frozen=True, slots=True)
class Path:
    """A path: its root, and the segments below."""

    root: str
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """Whether the source of the edge failed."""


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    operand: Tree


@dataclass(frozen=True, slots=True)
class Chain:
    """``and`` or ``or`` of two or more."""

    word: Literal["and", "or"]
    operands: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values compared; ``in`` is here as ``contains``, and ``>`` as ``<``, turned around."""

    operator: Literal["==", "!=", "<", "<=", "contains"]
    left: Tree
    right: Tree


Tree = Constant | Path | Failed | Not | Chain | Comparison


class Scope(Protocol):
    """What the names of an expression stand for, where it is written."""

    def path(self, path: Path) -> Code:
        """The value at a path."""
        ...

    def failed(self) -> Code:
        """Whether the source of the edge failed."""
        ...


def segment_of(segment: str) -> Code:
    """A segment of a path as ``at`` takes it: a number where it may be an index of a list."""
    is_index = re.fullmatch(r"0|[1-9][0-9]{0,8}", segment) is not None
    return constant(int(segment) if is_index else segment)


class Bare:
    """A scope that knows nothing: each root is a variable of its own name."""

    def path(self, path: Path) -> Code:
        """The value at a path."""
        base = Code(path.root)
        return call("at", base, *map(segment_of, path.segments)) if path.segments else base

    def failed(self) -> Code:
        """Whether the source failed."""
        return Code("failed", kind="bool")


def read(text: str) -> Tree:
    """Read an expression.

    Raises:
        ExpressionFault: it is none.
    """
    return _Reader(text).whole()


def read_path(text: str) -> Path:
    """Read a path alone.

    >>> read_path("inputs.rows.0")
    Path(root='inputs', segments=('rows', '0'))
    """
    root, *segments = text.split(".")
    if root not in _ROOTS:
        raise ExpressionFault(f"{text!r} begins with none of {', '.join(_ROOTS)}")
    if not all(segments) or re.search(r"""[\s()\[\]{}'"=!<>]""", text):
        raise ExpressionFault(
            f"{text!r} is no path: an empty segment, a space, a bracket, a quote or an operator"
        )
    return Path(root, tuple(segments))


def paths(tree: Tree) -> list[Path]:
    """All paths of an expression."""
    found: list[Path] = []
    left: list[Tree] = [tree]
    while left:
        match left.pop():
            case Path() as path:
                found.append(path)
            case Not(operand):
                left.append(operand)
            case Chain(_, operands):
                left.extend(operands)
            case Comparison(_, one, other):
                left += [one, other]
            case _:
                pass
    return found


class _Reader:
    """Recursive descent, with its depth counted."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.kind: str | None = None
        self.word = ""
        self.depth = 0
        self.step()

    def step(self) -> None:
        """Go to the next token."""
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            rest = self.text[self.at :].strip()
            if rest:
                raise ExpressionFault(f"{rest[:40]!r} cannot be read, in {_shown(self.text)}")
            self.kind, self.word, self.at = None, "", len(self.text)
            return
        self.kind, self.at = found.lastgroup, found.end()
        self.word = found[self.kind or 0]

    def fault(self, wanted: str) -> ExpressionFault:
        """What stands here instead of what was wanted."""
        here = repr(self.word) if self.kind else "its end"
        return ExpressionFault(f"{here} stands where {wanted} should, in {_shown(self.text)}")

    def whole(self) -> Tree:
        tree = self.either()
        if self.kind is not None:
            raise self.fault("an operator or the end")
        return tree

    def deeper(self, rule: Callable[[], Tree]) -> Tree:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise ExpressionFault(f"nested more than {MAX_NESTING} deep: {_shown(self.text)}")
        tree = rule()
        self.depth -= 1
        return tree

    def either(self) -> Tree:
        return self.chain("or", lambda: self.chain("and", self.negated))

    def chain(self, word: Literal["and", "or"], rule: Callable[[], Tree]) -> Tree:
        operands = [rule()]
        while self.kind == "word" and self.word == word:
            self.step()
            operands.append(rule())
        return operands[0] if len(operands) == 1 else Chain(word, tuple(operands))

    def negated(self) -> Tree:
        if self.kind == "word" and self.word == "not":
            self.step()
            return Not(self.deeper(self.negated))
        return self.comparison()

    def comparison(self) -> Tree:
        left = self.atom()
        operator = self.operator()
        if operator is None:
            return left
        right = self.atom()
        if self.operator() is not None:
            raise ExpressionFault(f"comparisons do not chain, in {_shown(self.text)}")
        match operator:
            case "in":
                return Comparison("contains", right, left)
            case ">":
                return Comparison("<", right, left)
            case ">=":
                return Comparison("<=", right, left)
            case "==" | "!=" | "<" | "<=" | "contains" as same:
                return Comparison(same, left, right)
            case _:
                raise self.fault("a comparison")

    def operator(self) -> str | None:
        """The comparison that stands here, if there is one; it is stepped over."""
        if self.word in _COMPARISONS and self.kind in ("operator", "word"):
            word = self.word
            self.step()
            return word
        return None

    def atom(self) -> Tree:
        if self.kind == "mark" and self.word == "(":
            self.step()
            tree = self.deeper(self.either)
            if self.word != ")":
                raise self.fault("')'")
            self.step()
            return tree
        if self.kind == "word" and self.word not in _LITERALS:
            return self.name()
        return Constant(self.literal())

    def name(self) -> Tree:
        word = self.word
        if word in ("and", "or", "not", *_COMPARISONS):
            raise self.fault("a value")
        self.step()
        return Failed() if word == "failed" else read_path(word)

    def literal(self) -> object:
        """A JSON value, with its texts in quotes of either kind."""
        word = self.word
        match self.kind:
            case "string":
                value: object = _string(word, self.text)
            case "number":
                value = _number(word)
            case "word" if word in _LITERALS:
                value = _LITERALS[word]
            case "mark" if word in "[{":
                return self.container(word)
            case _:
                raise self.fault("a value")
        self.step()
        return value

    def container(self, opening: str) -> object:
        closing = "]" if opening == "[" else "}"
        items: list[object] = []
        keys: list[str] = []
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise ExpressionFault(f"nested more than {MAX_NESTING} deep: {_shown(self.text)}")
        self.step()
        while self.word != closing or self.kind != "mark":
            if items:
                self.expect(",")
            if closing == "}":
                if self.kind != "string":
                    raise self.fault("a key")
                keys.append(_string(self.word, self.text))
                self.step()
                self.expect(":")
            items.append(self.literal())
        self.depth -= 1
        self.step()
        return items if closing == "]" else dict(zip(keys, items, strict=True))

    def expect(self, mark: str) -> None:
        if self.kind != "mark" or self.word != mark:
            raise self.fault(repr(mark))
        self.step()


def _string(word: str, text: str) -> str:
    if word[0] == "'":
        # JSON's escapes, and \' besides; a double quote needs none in here.
        body = re.sub(
            r"""\\.|\"""", lambda found: {"\\'": "'", '"': '\\"'}.get(found[0], found[0]), word[1:-1]
        )
        word = f'"{body}"'
    try:
        value = json.loads(word)
    except ValueError as error:
        raise ExpressionFault(
            f"{word[:40]} has an escape that JSON does not know, in {_shown(text)}"
        ) from error
    assert isinstance(value, str)
    return value


def _number(word: str) -> int | float:
    try:
        value = json.loads(word)
    except ValueError as error:  # more digits than Python converts
        raise ExpressionFault(f"{word[:20]}... is no number that Python reads") from error
    assert isinstance(value, int | float)
    if value - value != 0:
        raise ExpressionFault(f"{word} is too large for a number")
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")


# --- Python ------------------------------------------------------------------------------------------


def write(tree: Tree, scope: Scope) -> Code:
    """The Python of an expression, as a value."""
    code = write_test(tree, scope)
    if isinstance(tree, Chain) and code.kind != "bool":
        return call("bool", code, kind="bool")
    return code


def write_test(tree: Tree, scope: Scope) -> Code:
    """The Python of an expression where only its truth counts."""
    match tree:
        case Constant(value):
            return constant(value)
        case Path():
            return scope.path(tree)
        case Failed():
            return scope.failed()
        case Not(Comparison("==", one, other)):
            return write_test(Comparison("!=", one, other), scope)
        case Not(Comparison("!=", one, other)):
            return write_test(Comparison("==", one, other), scope)
        case Not(operand):
            code = write_test(operand, scope)
            if code.is_constant:
                return constant(not is_true(code))
            text = code.text if code.level == ATOM else in_brackets(code)
            return Code(f"not {text}", NOT, "bool", code.uses)
        case Chain(word, operands):
            return chained(word, [write_test(operand, scope) for operand in operands], brackets_alike=False)
        case Comparison(operator, one, other):
            return _compared(operator, write(one, scope), write(other, scope))


def _compared(operator: str, one: Code, other: Code) -> Code:
    if one.is_constant and other.is_constant:
        # Python warns of some of these where they are written plainly.
        return _by_function(operator, one, other)
    if operator == "contains":
        return _contained(one, other)
    if operator in ("<", "<="):
        if one.kind == other.kind and one.kind in ("number", "string"):
            return _plain(operator, one, other)
        return _by_function(operator, one, other)
    for value, literal in ((one, other), (other, one)):
        if literal.text in ("True", "False", "None"):
            return _plain("is" if operator == "==" else "is not", value, literal)
    if _is_plain(one) or _is_plain(other) or (one.kind == other.kind and one.kind in ("bool", "number")):
        return _plain(operator, one, other)
    return _by_function(operator, one, other)


def _by_function(operator: str, one: Code, other: Code) -> Code:
    names = {"<": "less", "<=": "at_most", "contains": "contains"}
    code = call(names.get(operator, "same"), one, other, kind="bool")
    return Code(f"not {code.text}", NOT, "bool", code.uses) if operator == "!=" else code


def _is_plain(code: Code) -> bool:
    """Whether Python's ``==`` with this, of anything, is that of JSON: it holds no number and no boolean."""
    return code.kind == "string" or code.is_wordy


def _contained(whole: Code, part: Code) -> Code:
    if whole.kind == "string" and part.kind == "string":
        return _plain("in", part, whole)
    if whole.kind == "list" and (whole.is_wordy or part.kind == "string"):
        return _plain("in", part, whole)
    return _by_function("contains", whole, part)


_TURNED = {"<": ">", "<=": ">=", "==": "==", "!=": "!="}


def _plain(operator: str, one: Code, other: Code) -> Code:
    if one.is_constant and not other.is_constant and operator in _TURNED:
        # People ask whether n > 3, and hardly ever whether 3 < n.
        one, other, operator = other, one, _TURNED[operator]
    texts = [in_brackets(code) if code.level <= COMPARISON else code.text for code in (one, other)]
    return Code(f"{texts[0]} {operator} {texts[1]}", COMPARISON, "bool", one.uses | other.uses)


__all__ = [
    "Bare",
    "Chain",
    "Comparison",
    "Constant",
    "ExpressionFault",
    "Failed",
    "Not",
    "Path",
    "Scope",
    "Tree",
    "paths",
    "read",
    "read_path",
    "segment_of",
    "write",
    "write_test",
]
