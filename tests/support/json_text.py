"""Strategies for lines as a hostile, or only an odd, writer would send them.

Everything is built as text and not from values: a key given twice, an escape for half a character, a
number of 400 digits or a bracket too many are things that no value has.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from support.reference_decoder import EVENTS

NUMBERS = [
    "0", "1", "-1", "-0", "-0.0", "1.0", "0.5", "1e0", "1E+2", "1e-400", "1700000000123.456",
    "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "-9223372036854775809", "18446744073709551615", "18446744073709551616", "123456789012345678901234567890",
    "1" + "0" * 308, "9" * 308, "9" * 309, "1" + "0" * 309, "7" * 400, "-" + "7" * 400, "1" * 5000,
    "1e308", "1e309", "1e999", "-1e999", "0." + "3" * 400, "1" + "0" * 400 + ".5", "2e-324",
]  # fmt: skip
BAD_NUMBERS = ["01", "+1", ".5", "1.", "1e", "0x1", "NaN", "Infinity", "-Infinity", "--1", "1_0"]

CHARACTERS = [
    "a",
    "b",
    " ",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "/",
    "'",
    "é",
    "日",
    "\U0001f600",
    "\x7f",
    "\u2028",
    "\ufeff",
]
ESCAPES = [
    "\\u0000", "\\ud800", "\\uDBFF", "\\udc00", "\\uDFFF", "\\ud83d\\ude00", "\\uD83D\\uDE00",
    "\\ude00\\ud83d", "\\u0061",
    "\\n", '\\"', "\\\\", "\\/", "\\\\u0000", "\\\\ud800", "\\u001b", "\\ufffd", "\\u007f",
]  # fmt: skip
BAD_PIECES = ["\\x", "\\u12", "\\U0041", "\x00", "\x1f", "\t", "\n", "\r", '"', "\\"]

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
json_values: st.SearchStrategy[Any] = st.recursive(
    _scalars | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def _mostly(
    usual: st.SearchStrategy[str], odd: st.SearchStrategy[str], one_in: int
) -> st.SearchStrategy[str]:
    return st.integers(1, one_in).flatmap(lambda number: odd if number == one_in else usual)


_pieces = _mostly(st.sampled_from(CHARACTERS + ESCAPES), st.sampled_from(BAD_PIECES), 60)
strings = st.lists(_pieces, max_size=4).map(lambda pieces: '"' + "".join(pieces) + '"')
numbers = _mostly(st.sampled_from(NUMBERS), st.sampled_from(BAD_NUMBERS), 30)
spaces = _mostly(st.just(""), st.sampled_from([" ", "\t", "\r", "\n", "\x0c", "\u00a0"]), 40)


@st.composite
def deep(draw: st.DrawFn) -> str:
    """Nesting about the limit of 64, counted from the line's own object or from the tags."""
    levels = draw(st.integers(58, 66) | st.integers(1, 7) | st.just(900) | st.just(3000))
    opening, closing = draw(st.sampled_from([("[", "]"), ('{"k":', "}"), ('[{"[":', "}]"), ('["]",', "]")]))
    levels = levels // 2 if opening.startswith("[{") else levels
    return opening * levels + draw(st.sampled_from(["1", '""', '"]]]"', "[]"])) + closing * levels


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arrays = st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]")
    return arrays | objects(st.tuples(strings | st.sampled_from(['"k"', '"k\\u0000"', '"k\ufffd"']), inner))


def objects(items: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[str]:
    """An object of some of these keys and values, a key maybe more than once."""
    return st.lists(items, max_size=4).map(object_text)


def object_text(items: list[tuple[str, str]]) -> str:
    """The object that these keys and values are the text of."""
    return "{" + ",".join(f"{key}:{value}" for key, value in items) + "}"


_literals = st.sampled_from(["true", "false", "null"])
values = st.recursive(strings | numbers | _literals, _containers, max_leaves=5)
anything = _mostly(values, deep(), 8)

_RIGHT = {
    "id": _mostly(st.sampled_from(['"a"', '"b"', '"a\\u0000"']), strings, 6),
    "str": _mostly(st.sampled_from(['"ok"', '""', '"x"']), strings, 3),
    "int": st.sampled_from(["1", "2", "-1", "0", "9223372036854775807"]),
    "seq": st.sampled_from(["1", "2", "9223372036854775807"]),
    "number": st.sampled_from(["1", "1.5", "-0", "1700000000123.456"]) | st.sampled_from(NUMBERS),
    "object": objects(st.tuples(strings, anything)),
}


@st.composite
def object_of(draw: st.DrawFn, wrong_one_in: int) -> str:
    """An event, nearly: one value in so many is of any kind, one key of any name, and some come twice."""
    kind = draw(st.sampled_from(sorted(EVENTS)))
    items = [('"type"', f'"{kind}"')]
    for key, (shape, is_required) in {**EVENTS[kind], "seq": ("seq", False)}.items():
        if is_required or draw(st.integers(0, 3)) == 0:
            items.append((f'"{key}"', draw(_mostly(_RIGHT[shape], anything, wrong_one_in))))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        names = st.sampled_from(
            ['"type"', '"span_id"', '"tags"', '"seq"', '"new"', '"end_ms"', '"t\\u0061gs"']
        )
        items.append((draw(names | strings), draw(anything)))
    if draw(st.integers(0, 4)) == 0:
        items.append(items[draw(st.integers(0, len(items) - 1))])
    if draw(st.booleans()):
        items = draw(st.permutations(items))
    return object_text(items)


@st.composite
def _dressed(draw: st.DrawFn, objects_text: st.SearchStrategy[str]) -> bytes:
    """A line of an object, or of two, or of a piece of one, with what may stand around it."""
    text = draw(objects_text)
    if draw(st.integers(0, 12)) == 0:
        text += draw(objects_text | st.sampled_from([",", "}", "]", "x", "{}", '"']))
    if draw(st.integers(0, 12)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    if draw(st.integers(0, 12)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(["\n", "\r", " ", "\t", "\x00"])) + text[place:]
    line = (draw(spaces) + text + draw(spaces)).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 30)) == 0:
        line = draw(st.sampled_from([b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80"])) + line
    if draw(st.integers(0, 30)) == 0:
        place = draw(st.integers(0, len(line)))
        line = (
            line[:place]
            + draw(st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xe2\x82"]))
            + line[place:]
        )
    return line


unsure_lines = object_of(wrong_one_in=25).map(lambda text: text.encode("utf-8", "surrogatepass"))
"""Mostly events, with one odd thing or two."""

blank_lines = st.sampled_from([b"", b" ", b"\t\r", b"\r", b"\x0c", b"\xc2\xa0"])
hostile_lines = _dressed(object_of(wrong_one_in=8)) | unsure_lines | blank_lines | anything.map(str.encode)


@st.composite
def chunks(draw: st.DrawFn, lines: st.SearchStrategy[bytes]) -> bytes:
    """Some lines, ended by LF or CRLF, the last one maybe by nothing."""
    parts = draw(st.lists(lines, min_size=1, max_size=4))
    ends = [draw(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"])) for _ in parts]
    ends[-1] = draw(st.sampled_from([b"\n", b"", b"\r\n"]))
    return b"".join(part + end for part, end in zip(parts, ends, strict=True))
