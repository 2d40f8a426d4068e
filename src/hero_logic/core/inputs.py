"""The values that a flow is started with: reading them, and holding them against what it declares.

All that is wrong is told at once, each on its line, and then what the flow takes. Nothing is coerced
but an int where a float is asked; defaults are left to the flow itself.
"""

from __future__ import annotations

from hero_logic.core.errors import BadInput
from hero_logic.core.flow_source import NO_DEFAULT, FlowEntry, Parameter
from hero_logic.core.input_types import ANY, MAX_SHOWN_CHARACTERS, InputType, shown
from hero_logic.core.syntax import NOT_LITERAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

MAX_SHOWN_PROBLEMS = 20
MAX_SHOWN_PARAMETERS = 50
MAX_MATCHED_CHARACTERS = 100
MAX_DEPTH = 200
"""Of a value, as of what a flow returns."""


def parse_assignment(text: str, entry: FlowEntry) -> tuple[str, object]:
    """Read one ``name=value`` of the command line.

    Args:
        text: what followed ``-i``.
        entry: the flow that it is for.

    Returns:
        The name and its value: the text as it is for a ``str``, otherwise what its JSON says; a word that
        is one of a ``Literal`` needs no quotes. It has not been held against its type: ``check_inputs``
        does that for all values at once.

    Raises:
        BadInput: no ``=``, an unknown name, not JSON, or text that is not UTF-8.

    >>> from hero_logic.core.flow_source import choose_entry, read_flow_file
    >>> source = "from hero_tracing import flow\\n@flow\\ndef f(name: str, sizes: list[int]): pass\\n"
    >>> entry = choose_entry(read_flow_file(source, "f.py"), None)
    >>> parse_assignment("name=3", entry), parse_assignment("sizes=[3, 4]", entry)
    (('name', '3'), ('sizes', [3, 4]))
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadInput(f"-i {shown(text)} is no input. Write it as -i name=value.\n{_listing(entry)}")
    kind = _types(entry).get(name)
    if kind is None:
        if not entry.accepts_any:
            raise BadInput(f"{_unknown(name, entry)}\n{_listing(entry)}")
        kind = entry.extra_type
    if _half_characters(text):
        raise BadInput(f"-i {shown(text)} is not UTF-8, so it cannot be recorded. Give it as UTF-8.")
    return name, value if kind.is_text else _parse_value(name, value, kind)


def parse_document(data: bytes) -> dict[str, object]:
    """Read a document of inputs: one JSON object in UTF-8, its keys the names.

    Raises:
        BadInput: it is anything else; with line and column where they are known.

    >>> parse_document(b'{"name": "World", "times": 2}')
    {'name': 'World', 'times': 2}
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        raise BadInput(
            f"the input is not UTF-8: line {line}, column {column} is the byte 0x{data[error.start]:02x}. "
            "Save it as UTF-8."
        ) from error
    if text.startswith("\ufeff"):
        raise BadInput(
            "the input starts with a byte order mark, which JSON does not allow. Save it without one."
        )
    try:
        value = _strict_json(text)
    except _NotJson as error:
        raise BadInput(f"the input is not JSON: {error}. Correct it there.") from error
    if not isinstance(value, dict):
        raise BadInput(f'the input is {shown(value)}, and not an object. Write it as {{"name": value, ...}}.')
    return value


def check_inputs(entry: FlowEntry, values: dict[str, object]) -> dict[str, object]:
    """Hold values against what a flow declares.

    Returns:
        The values as the flow gets them: an int is a float where one is asked. Defaults are not filled in.

    Raises:
        BadInput: unknown, missing and wrongly typed inputs, all of them in one message.
    """
    checked, problems = _check(entry, values, unread=set())
    if problems:
        _refuse(entry, problems)
    return checked


def read_inputs(
    entry: FlowEntry, *, document: bytes | None = None, assignments: Sequence[str] = ()
) -> dict[str, object]:
    """Read and check the inputs of the command line: those of the document, then the assignments.

    What comes later wins.

    Raises:
        BadInput: what cannot be read, is unknown, missing or of the wrong type, all of it in one message;
            or the document is no JSON object.
    """
    values = {} if document is None else parse_document(document)
    problems: list[str] = []
    unread: set[str] = set()
    for text in assignments:
        name = text.partition("=")[0]
        try:
            name, values[name] = parse_assignment(text, entry)
        except BadInput as error:
            # What the flow takes stands below all problems, once.
            problems.append(str(error).partition("\n")[0])
            unread.add(name)
    checked, more = _check(entry, values, unread=unread)
    if problems or more:
        _refuse(entry, problems + more)
    return checked


def _check(
    entry: FlowEntry, values: dict[str, object], *, unread: set[str]
) -> tuple[dict[str, object], list[str]]:
    """The values as the flow gets them, and what is wrong; of what was not read nothing more is said."""
    types = _types(entry)
    problems = [_unknown(name, entry) for name in values if name not in types and not entry.accepts_any]
    problems += [
        f"{parameter.name}: missing, it is required"
        for parameter in entry.parameters
        if parameter.required and parameter.name not in values and parameter.name not in unread
    ]
    checked: dict[str, object] = {}
    for name, value in values.items():
        kind = types.get(name, entry.extra_type)
        problem = kind.accepts(value, name if name in types else shown(name))
        if problem is not None:
            problems.append(problem)
        else:
            checked[name] = kind.converted(value)
    return checked, problems


def json_schema(entry: FlowEntry) -> dict[str, object]:
    """Give the JSON Schema of a flow's inputs, draft 2020-12.

    It takes what :func:`check_inputs` takes, with two exceptions that no schema can say: an int is refused
    where it is written as ``1.0``, and where a float is asked and it is past the largest one. A default
    that JSON cannot say, or that only running the flow could tell, is left out.
    """
    properties: dict[str, object] = {}
    about = entry.about()
    for parameter in entry.parameters:
        schema = dict(parameter.type.schema())
        if parameter.name in about:
            schema["description"] = about[parameter.name]
        default = _json_value(parameter.default)
        if default is not NOT_LITERAL:
            schema["default"] = default
        properties[parameter.name] = schema
    whole: dict[str, object] = {
        "type": "object",
        "properties": properties,
        "required": [parameter.name for parameter in entry.parameters if parameter.required],
        "additionalProperties": _extra_schema(entry),
    }
    if entry.makes_classes:
        from hero_logic.core.class_types import definitions

        found = definitions([*(parameter.type for parameter in entry.parameters), entry.extra_type])
        whole |= {"$defs": found} if found else {}
    return whole


def staged_input(entry: FlowEntry, input_json: bytes) -> bytes:
    """Give the input as the play's stub reads it: as it is, or with what is to be made of its parts.

    That is ``[values, [[keys, class, is_by_name], ...]]``, the innermost part first, where the flow takes
    members or instances of classes of its own file.
    """
    if not entry.makes_classes or input_json == b"{}":
        return input_json
    import json

    from hero_logic.core.class_types import makings

    values = json.loads(input_json)
    types = _types(entry)
    made = [
        making
        for name, value in values.items()
        for making in makings(types.get(name, entry.extra_type), value, (name,))
    ]
    return json.dumps([values, made], separators=(",", ":")).encode()


class _NotJson(Exception):
    """Why a text is not JSON."""


def _parse_value(name: str, text: str, kind: InputType) -> object:
    try:
        return _strict_json(text)
    except _NotJson as error:
        if kind.has_words:
            return text
        start = f"{name}: {shown(text)} is not JSON ({error}), and it takes {kind.describe()}."
        if kind.accepts(text) is not None:
            raise BadInput(start) from error
        import json
        import shlex  # both here, because only this message needs them

        example = text if len(text) <= MAX_SHOWN_CHARACTERS else "..."
        quoted = shlex.quote(f"{name}={json.dumps(example, ensure_ascii=False)}")
        advice = f"A text needs quotes: -i {quoted}"
        if kind is ANY:
            advice += f", or annotate the parameter: {name}: str"
        raise BadInput(f"{start} {advice}") from error


def _strict_json(text: str) -> object:
    """Read JSON as its standard has it: no NaN, no Infinity, no number that becomes one.

    Raises:
        _NotJson: why, with line and column where they are known.
    """
    import json  # here, because a flow without inputs, or with text alone, starts without it: 4 ms

    try:
        value: object = json.loads(text, parse_constant=_no_constant, parse_float=_finite_float)
    except json.JSONDecodeError as error:
        raise _NotJson(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise _NotJson(f"it is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        # The interpreter refuses to read an int of more than 4300 digits.
        raise _NotJson("a number in it has too many digits") from error
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        _refuse_what_cannot_be_recorded(value)
    return value


def _no_constant(name: str) -> NoReturn:
    raise _NotJson(f"{name} is no number of JSON")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _NotJson(f"{digits[:MAX_SHOWN_CHARACTERS]} is past the largest number")
    return number


def _refuse_what_cannot_be_recorded(value: object) -> None:
    """Refuse halves of surrogate pairs, and nesting that would be too deep to be written again."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for part in level:
            if isinstance(part, str) and _half_characters(part):
                raise _NotJson(f"{shown(part)} holds half of a surrogate pair, which is no character")
            if isinstance(part, dict):
                inner += [*part.keys(), *part.values()]
            elif isinstance(part, list):
                inner += part
        level = inner
    if level:
        raise _NotJson(f"it is nested deeper than {MAX_DEPTH} levels")


def _half_characters(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _types(entry: FlowEntry) -> dict[str, InputType]:
    return {parameter.name: parameter.type for parameter in entry.parameters}


def _unknown(name: str, entry: FlowEntry) -> str:
    import difflib  # here, because only a message needs it

    names = [p.name for p in entry.parameters if len(p.name) < MAX_MATCHED_CHARACTERS]
    close = difflib.get_close_matches(name, names, 1) if len(name) < MAX_MATCHED_CHARACTERS else []
    return f"{shown(name)}: {entry.function} takes no such input" + (
        f"; did you mean {close[0]}?" if close else ""
    )


def _refuse(entry: FlowEntry, problems: list[str]) -> NoReturn:
    more = len(problems) - MAX_SHOWN_PROBLEMS
    lines = [f"  {problem}" for problem in problems[:MAX_SHOWN_PROBLEMS]]
    lines += [f"  and {more} more"] * (more > 0)
    start = f"{entry.function} cannot start with these inputs:"
    raise BadInput("\n".join([start, *lines, _listing(entry)]))


def _listing(entry: FlowEntry) -> str:
    """Say what a flow takes, one parameter a line."""
    about = entry.about()
    lines = [f"  {_signature(p)}{_about(p, about)}" for p in entry.parameters[:MAX_SHOWN_PARAMETERS]]
    more = len(entry.parameters) - MAX_SHOWN_PARAMETERS
    lines += [f"  and {more} more"] * (more > 0)
    if entry.accepts_any:
        lines.append(f"  any other name: {entry.extra_type.describe()}")
    if not lines:
        return f"{entry.function} takes no inputs."
    return "\n".join([f"{entry.function} takes:", *lines])


def _signature(parameter: Parameter) -> str:
    text = f"{parameter.name}: {parameter.type.describe()}"
    if parameter.default is NO_DEFAULT:
        return f"{text} (required)"
    return f"{text} = {'...' if parameter.default is NOT_LITERAL else shown(parameter.default)}"


def _about(parameter: Parameter, about: dict[str, str]) -> str:
    text = " ".join(about.get(parameter.name, "").split())
    return f" - {text[:200]}" if text else ""


def _extra_schema(entry: FlowEntry) -> object:
    return (entry.extra_type.schema() or True) if entry.accepts_any else False


def _json_value(value: object) -> object:
    """Give a literal as JSON has it; NOT_LITERAL for what it cannot say."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= 1024 else NOT_LITERAL
    if isinstance(value, float):
        return value if abs(value) != float("inf") else NOT_LITERAL
    if isinstance(value, (list, tuple)):
        items = [_json_value(item) for item in value]
        return NOT_LITERAL if NOT_LITERAL in items else items
    if isinstance(value, dict):
        pairs = {key: _json_value(item) for key, item in value.items()}
        lawful = all(isinstance(key, str) for key in pairs) and NOT_LITERAL not in pairs.values()
        return pairs if lawful else NOT_LITERAL
    return NOT_LITERAL


def input_text(entry: FlowEntry, *, document: bytes | None = None, assignments: Sequence[str] = ()) -> str:
    """The same as JSON text, ``{}`` where there is none: what a play is recorded with.

    Raises:
        BadInput: as :func:`read_inputs`.
    """
    checked = read_inputs(entry, document=document, assignments=assignments)
    if not checked:
        return "{}"
    import json

    return json.dumps(checked, allow_nan=False, separators=(",", ":"))
