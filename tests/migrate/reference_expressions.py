"""What an expression of a legacy workflow comes to: slow and obvious.

It shares no code with hero_logic.migrate. A path that leads nowhere is null; nothing here fails but by an
expression that does not parse.
"""

from __future__ import annotations

import json
import re
from typing import Any

TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<operator>==|!=|<=|>=|<|>|[][{},:])
    |(?P<literal>true|false|null)(?![^\s\]\[{},:"'=!<>])
    |(?P<word>[^\s\]\[{}"'=!<>]+))""",
    re.VERBOSE,
)
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "contains", "in")


class Unreadable(Exception):
    """It is no expression."""


def evaluate(expression: str, roots: dict[str, Any]) -> Any:
    """The value of an expression, given what ``inputs``, ``outputs`` and ``nodes`` stand for in it."""
    reader = Reader(expression, roots)
    value = reader.disjunction()
    if reader.token is not None:
        raise Unreadable(expression)
    return value


def is_true(value: Any) -> bool:
    """Everything but false, null, 0 and what is empty."""
    return value is True or not (value is False or value is None or value in (0, "", [], {}))


def equal(one: Any, other: Any) -> bool:
    """The same value of the same type, where a number is a number; true and 1 are not."""
    if kind_of(one) != kind_of(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return bool(one == other)


def kind_of(value: Any) -> str:
    """The JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", list: "array", dict: "object"}[type(value)]


def contains(whole: Any, part: Any) -> bool:
    """A text in a text, a member of a list, a key of an object; nothing else contains anything."""
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    if isinstance(whole, list):
        return any(equal(member, part) for member in whole)
    return isinstance(whole, dict) and isinstance(part, str) and part in whole


def compare(operator: str, one: Any, other: Any) -> bool:
    """A comparison; only two numbers and two texts have an order."""
    if operator in ("==", "!="):
        return equal(one, other) == (operator == "==")
    if operator == "contains":
        return contains(one, other)
    if operator == "in":
        return contains(other, one)
    if kind_of(one) != kind_of(other) or kind_of(one) not in ("number", "string"):
        return False
    return bool({"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[operator])


def at_path(path: str, roots: dict[str, Any]) -> Any:
    """What a path leads to, null where it leads nowhere."""
    root, *segments = path.split(".")
    value = roots.get(root)
    for segment in segments:
        if isinstance(value, dict):
            value = value.get(segment)
        elif isinstance(value, list) and segment.isdigit() and int(segment) < len(value):
            value = value[int(segment)]
        else:
            return None
    return value


class Reader:
    """Reads tokens from the left; each method is a level of binding, and gives a value."""

    def __init__(self, expression: str, roots: dict[str, Any]) -> None:
        self.text = expression
        self.roots = roots
        self.at = 0
        self.token: str | None = None
        self.advance()

    def advance(self) -> str | None:
        """Go on to the next token; the one that was left."""
        left = self.token
        rest = self.text[self.at :]
        if not rest.strip():
            self.token = None
            return left
        match = TOKEN.match(rest)
        if match is None:
            raise Unreadable(self.text)
        self.at += match.end()
        self.token = match[0].strip()
        return left

    def disjunction(self) -> Any:
        value = self.conjunction()
        while self.token == "or":
            self.advance()
            other = self.conjunction()
            value = is_true(value) or is_true(other)
        return value

    def conjunction(self) -> Any:
        value = self.negation()
        while self.token == "and":
            self.advance()
            other = self.negation()
            value = is_true(value) and is_true(other)
        return value

    def negation(self) -> Any:
        if self.token == "not":
            self.advance()
            return not is_true(self.negation())
        return self.comparison()

    def comparison(self) -> Any:
        value = self.operand()
        if self.token in COMPARISONS:
            operator = self.advance()
            assert operator is not None
            return compare(operator, value, self.operand())
        return value

    def operand(self) -> Any:
        token = self.advance()
        if token is None:
            raise Unreadable(self.text)
        if token == "[":
            return self.members("]")
        if token == "{":
            return dict(self.members("}"))
        if token[0] == "'":
            inner = token[1:-1].replace("\\'", "'")
            return json.loads('"' + re.sub(r'(?<!\\)"', '\\"', inner) + '"')
        if token[0] in '"-0123456789' or token in ("true", "false", "null"):
            return json.loads(token)
        if token == "failed":
            return self.roots.get("failed", False)
        if token.split(".")[0] not in ("inputs", "outputs", "nodes"):
            raise Unreadable(self.text)
        return at_path(token, self.roots)

    def members(self, end: str) -> list[Any]:
        """Those of a list; of an object, pairs."""
        found: list[Any] = []
        while self.token != end:
            member = self.operand()
            if end == "}":
                assert self.advance() == ":"
                member = (member, self.operand())
            found.append(member)
            if self.token == ",":
                self.advance()
        self.advance()
        return found
