"""The flows of a file, read from its source without running it.

1. The source is hostile until proven otherwise: whatever it is, reading ends in a FlowFile or a
   BadFlowFile (core/syntax.py holds that line).
2. A flow is a module-level function that ``hero_tracing.flow`` is laid upon, as a decorator or by
   ``main = flow(fn)``. What only running could tell (a name that is computed, a decorator made in a loop)
   is not seen; ``FlowEntry.function`` is always a name that the module has once it has been imported.
3. Of a name that is bound twice the last binding counts, as it does for Python.
"""

from __future__ import annotations

import _ast
import codecs

from hero_logic.core.annotations import read_type
from hero_logic.core.errors import BadFlowFile, NoEntry
from hero_logic.core.input_types import shown
from hero_logic.core.local_imports import imported_modules
from hero_logic.core.script_metadata import ScriptMetadata, read_metadata
from hero_logic.core.syntax import (
    MAX_SOURCE_BYTES,
    NOT_LITERAL,
    Marker,
    bound_names,
    docstring_of,
    dotted_name,
    literal_text,
    literal_value,
    module_statements,
    once_bound_classes,
    parse_module,
    too_large,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.core.class_types import Classes
    from hero_logic.core.input_types import InputType
    from hero_logic.core.needs import Needs

    FunctionNode = _ast.FunctionDef | _ast.AsyncFunctionDef

NO_DEFAULT = Marker("NO_DEFAULT")
FLOW = "hero_tracing.flow"
ON_LOST = ("fail", "retry")
"""What may become of a play whose runtime is gone; the first is the default."""
MAX_SHOWN_CANDIDATES = 20
MAX_ENCODING_CHARACTERS = 40
"""Longer than every name of one; Python keeps each name that it was ever asked for."""

# Their text is not that of the bytes, or takes quadratic time to decode, which no source needs.
_REFUSED_CODECS = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7")
_COOKIE_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class Parameter:
    """One parameter of a flow.

    Attributes:
        name: as it stands in the source.
        type: what it takes.
        default: the value where it is a literal; NO_DEFAULT; NOT_LITERAL where only running could tell.
        is_positional_only: whether it stands before a ``/``.
    """

    __slots__ = ("_annotation", "default", "is_positional_only", "name", "type")

    def __init__(
        self,
        name: str,
        annotation: _ast.expr | None,
        kind: InputType,
        default: object = NO_DEFAULT,
        *,
        is_positional_only: bool = False,
    ) -> None:
        self.name = name
        self.type = kind
        self.default = default
        self.is_positional_only = is_positional_only
        self._annotation = annotation

    @property
    def required(self) -> bool:
        """Whether a play cannot start without it."""
        return self.default is NO_DEFAULT

    @property
    def annotation(self) -> str:
        """The source text of the annotation; "" where there is none, "..." where it defeats printing."""
        if self._annotation is None:
            return ""
        import ast  # here, because only messages and listings show it, and it costs 12 ms

        try:
            return ast.unparse(self._annotation)
        except (RecursionError, ValueError):
            return "..."


class FlowEntry:
    """One flow of a file.

    Attributes:
        function: the module-level name under which the flow is found.
        name: what the flow is called: what ``@flow`` says, else the function's own name.
        description: what ``@flow`` says, else the first line of the docstring, else "".
        docstring: all of it, as it stands in the source.
        line: where its ``def`` stands.
        column: the same; both count from 1.
        is_async: whether it is an ``async def``.
        parameters: in the order of the source.
        accepts_any: whether it has ``**kwargs``, so that unknown inputs are taken too.
        extra_type: what those take.
        inputs: descriptions of inputs by name, as ``@flow`` says.
        outputs: descriptions of outputs by name, as ``@flow`` says.
        needs: what it asks for beyond its own directory; None where ``@flow`` says nothing of that.
        on_lost: what becomes of a play of it whose runtime is gone: ``fail`` or ``retry``.
        makes_classes: whether a parameter takes members or instances of the file's own classes.
    """

    __slots__ = (
        "accepts_any",
        "column",
        "description",
        "docstring",
        "extra_type",
        "function",
        "inputs",
        "is_async",
        "line",
        "makes_classes",
        "name",
        "needs",
        "on_lost",
        "outputs",
        "parameters",
    )

    def __init__(
        self,
        function: str,
        node: FunctionNode,
        arguments: _FlowArguments,
        names: dict[str, str],
        classes: Classes | None = None,
    ) -> None:
        self.function = function
        self.name = arguments.name or node.name
        self.docstring = docstring_of(node)
        self.description = arguments.description or _first_line(self.docstring)
        self.line = node.lineno
        self.column = node.col_offset + 1
        self.is_async = isinstance(node, _ast.AsyncFunctionDef)
        self.parameters = _read_parameters(node.args, names, classes)
        extra = node.args.kwarg
        self.accepts_any = extra is not None
        self.extra_type = read_type(extra.annotation if extra else None, names, classes=classes)
        self.makes_classes = classes is not None and classes.is_used
        self.inputs = arguments.inputs
        self.outputs = arguments.outputs
        self.needs = arguments.needs
        self.on_lost = arguments.on_lost

    def about(self) -> dict[str, str]:
        """Descriptions of parameters by name: what ``@flow`` says, else the docstring."""
        if not self.docstring:
            return self.inputs
        from hero_logic.core.docstrings import parameter_descriptions  # here: only schemas and messages ask

        return parameter_descriptions(self.docstring) | self.inputs


class FlowFile:
    """What a file holds.

    Attributes:
        path: as it was given.
        candidates: its flows, in the order of the source.
        imports: the dotted names of the modules that it imports.
        metadata: its PEP 723 block, None where it has none.
        plain_functions: its module-level functions that are no flows.
    """

    __slots__ = ("candidates", "imports", "metadata", "path", "plain_functions")

    def __init__(
        self,
        path: str,
        candidates: list[FlowEntry],
        metadata: ScriptMetadata | None,
        plain_functions: list[str],
        imports: set[str],
    ) -> None:
        self.path = path
        self.imports = imports
        self.candidates = candidates
        self.metadata = metadata
        self.plain_functions = plain_functions


def decode_source(data: bytes, path: str) -> str:
    """Decode a source file as Python does: a byte order mark, an encoding comment, else UTF-8.

    Raises:
        BadFlowFile: the encoding is unknown or not one for text, or the bytes are not in it.

    Source: PEP 263.

    >>> decode_source(b"# coding: latin-1\\nname = '\\xe9'", "f.py")[-3:-1]
    "'é"
    """
    if len(data) > MAX_SOURCE_BYTES:
        raise BadFlowFile(too_large(path, len(data)))
    has_mark = data.startswith(codecs.BOM_UTF8)
    if has_mark:
        data = data[len(codecs.BOM_UTF8) :]
    encoding = _encoding(data, has_mark, path)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        raise BadFlowFile(
            f"{path}:{line}:{column}: the byte 0x{data[error.start]:02x} is not {encoding}. "
            "Save the file as UTF-8, or name its encoding in the first line: # coding: NAME"
        ) from error
    except (UnicodeError, ValueError) as error:
        raise BadFlowFile(
            f"{path}: it cannot be decoded as {encoding}: {error}. Save it as UTF-8."
        ) from error


def encode_source(text: str, path: str) -> bytes:
    """A source that :func:`decode_source` gave, as bytes that Python reads as the same text.

    >>> encode_source("# coding: latin-1\\nname = 'é'", "f.py")[-3:-1]
    b"'\\xe9"
    """
    head = "\n".join(text.splitlines()[:2]).encode("utf-8", "replace")
    return text.encode(_encoding(head, False, path), "surrogatepass")


def _encoding(data: bytes, has_mark: bool, path: str) -> str:
    cookie, line = _encoding_comment(data)
    if not cookie:
        return "utf-8"
    if len(cookie) > MAX_ENCODING_CHARACTERS:
        raise BadFlowFile(f"{path}:{line}:1: unknown encoding {cookie[:20]}... Save the file as UTF-8.")
    try:
        codec = codecs.lookup(cookie)
        "".encode(cookie)  # refuses codecs that are not for text, such as base64
    except (LookupError, UnicodeError) as error:
        raise BadFlowFile(f"{path}:{line}:1: unknown encoding {cookie!r}. Save the file as UTF-8.") from error
    if codec.name in _REFUSED_CODECS or codec.name.startswith(("utf-16", "utf-32")):
        raise BadFlowFile(f"{path}:{line}:1: {cookie!r} is no encoding for source. Save the file as UTF-8.")
    if has_mark and codec.name != "utf-8":
        raise BadFlowFile(
            f"{path}:{line}:1: it names the encoding {cookie!r} and has the byte order mark of UTF-8. "
            "Remove the comment."
        )
    return cookie


def _encoding_comment(data: bytes) -> tuple[str, int]:
    """Find the encoding that one of the first two lines names, and that line's number; "" for none."""
    for number, line in enumerate(_first_lines(data), 1):
        text = line.lstrip(b" \t\f")
        if not text:
            continue
        if not text.startswith(b"#"):
            break
        found = _after_coding(text)
        if found:
            return found, number
    return "", 0


def _first_lines(data: bytes) -> list[bytes]:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n", 2)[:2]


def _after_coding(comment: bytes) -> str:
    start = comment.find(b"coding")
    while start >= 0:
        rest = comment[start + len(b"coding") :]
        if rest[:1] in (b":", b"="):
            rest = rest[1:].lstrip(b" \t")
            length = next((i for i, byte in enumerate(rest) if byte not in _COOKIE_CHARACTERS), len(rest))
            if length:
                return _without_suffix(rest[:length].decode("ascii"))
        start = comment.find(b"coding", start + 1)
    return ""


def _without_suffix(encoding: str) -> str:
    """Drop what Emacs adds, as in ``utf-8-unix``; Python knows these two families only."""
    plain = encoding.lower().replace("_", "-")
    for family in ("utf-8", "latin-1", "iso-8859-1", "iso-latin-1"):
        if plain.startswith(f"{family}-"):
            return family
    return encoding


def read_flow_file(source: str, path: str, module: _ast.Module | None = None) -> FlowFile:
    """Read the flows of a file, and what its script block asks for.

    Args:
        source: the text of the file, decoded.
        path: what to call the file in messages; it is not opened.
        module: its tree, where somebody has read it already.

    Raises:
        BadFlowFile: it is not Python, or its script block is malformed.

    >>> text = "from hero_tracing import flow\\n@flow\\ndef greet(name: str, times: int = 1): pass\\n"
    >>> entry = choose_entry(read_flow_file(text, "greet.py"), None)
    >>> [(p.name, p.type.describe(), p.required) for p in entry.parameters]
    [('name', 'str', True), ('times', 'int', False)]
    """
    module = module or parse_module(source, path)
    names = bound_names(module)
    functions: dict[str, FunctionNode] = {}
    flows: dict[str, FlowEntry] = {}
    classes = _classes(module, names)
    for node in module_statements(module):
        if isinstance(node, (_ast.FunctionDef, _ast.AsyncFunctionDef)):
            functions[node.name] = node
            flows.pop(node.name, None)
            arguments = _decoration(node, names, path)
            if arguments:
                flows[node.name] = FlowEntry(node.name, node, arguments, names, classes)
        elif isinstance(node, (_ast.Assign, _ast.AnnAssign)):
            entry = _assigned_flow(node, functions, names, path, classes)
            if entry:
                flows[entry.function] = entry
    plain = [name for name in functions if name not in flows]
    candidates = sorted(flows.values(), key=lambda entry: entry.line)
    return FlowFile(path, candidates, read_metadata(source, path), plain, imported_modules(module))


def _classes(module: _ast.Module, names: dict[str, str]) -> Classes | None:
    found = once_bound_classes(module)
    if not found:
        return None
    from hero_logic.core.class_types import Classes  # here, because few flows define classes

    return Classes(found, names)


class _FlowArguments:
    """What is said in the parentheses of ``@flow(...)``."""

    __slots__ = ("description", "inputs", "name", "needs", "on_lost", "outputs")

    def __init__(self, call: _ast.Call | None, path: str) -> None:
        said: dict[str, _ast.expr] = {}
        if call is not None:
            if call.args:
                said["name"] = call.args[0]
            said.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
        self.name = literal_text(said.get("name")) or ""
        self.description = _first_line(literal_text(said.get("description")) or "")
        self.inputs = _descriptions(said.get("inputs"))
        self.outputs = _descriptions(said.get("outputs"))
        self.needs = _needs(said["needs"], path) if "needs" in said else None
        self.on_lost = _on_lost(said["on_lost"], path) if "on_lost" in said else ON_LOST[0]


def _on_lost(node: _ast.expr, path: str) -> str:
    value = literal_value(node)
    if value is None:
        return ON_LOST[0]
    if value not in ON_LOST:
        told = "computed" if value is NOT_LITERAL else f"{value!r:.60}"
        words = " or ".join(map(repr, ON_LOST))
        raise BadFlowFile(f"{path}:{node.lineno}: on_lost= is {told}; it is written out, as {words}.")
    return str(value)


def _needs(node: _ast.expr, path: str) -> Needs | None:
    """What a flow asks for; it counts as it is written out, since nothing of the flow is run to learn it."""
    value = literal_value(node)
    if value is None:
        return None
    from hero_logic.core.needs import read_needs

    place = f"{path}:{node.lineno}"
    if value is NOT_LITERAL:
        raise BadFlowFile(
            f"{place}: needs= has to be written out, as a dict of lists of texts: what a flow asks for is "
            'read without running it. For example: needs={"read": ["data.csv"]}.'
        )
    return read_needs(value, place)


def _decoration(node: FunctionNode, names: dict[str, str], path: str) -> _FlowArguments | None:
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, _ast.Call) else decorator
        if dotted_name(called, names) == FLOW:
            return _FlowArguments(decorator if isinstance(decorator, _ast.Call) else None, path)
    return None


def _assigned_flow(
    node: _ast.Assign | _ast.AnnAssign,
    functions: dict[str, FunctionNode],
    names: dict[str, str],
    path: str,
    classes: Classes | None,
) -> FlowEntry | None:
    """Read ``main = flow(fn)`` and ``main = flow("name")(fn)``; None for every other assignment."""
    target = node.targets[0] if isinstance(node, _ast.Assign) else node.target
    call = node.value
    if not isinstance(target, _ast.Name) or not isinstance(call, _ast.Call) or not call.args:
        return None
    wrapped = call.args[0]
    if not isinstance(wrapped, _ast.Name) or wrapped.id not in functions:
        return None
    of_flow = call.func if isinstance(call.func, _ast.Call) else call
    if dotted_name(of_flow.func, names) != FLOW:
        return None
    return FlowEntry(target.id, functions[wrapped.id], _FlowArguments(of_flow, path), names, classes)


def _descriptions(node: _ast.expr | None) -> dict[str, str]:
    if not isinstance(node, _ast.Dict):
        return {}
    found: dict[str, str] = {}
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        key, value = literal_text(key_node), literal_text(value_node)
        if key is not None and value is not None:
            found[key] = value
    return found


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].rstrip()


def _read_parameters(
    arguments: _ast.arguments, names: dict[str, str], classes: Classes | None
) -> list[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[_ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults
    pairs = [*zip(positional, defaults, strict=True)]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [
        Parameter(
            argument.arg,
            argument.annotation,
            read_type(argument.annotation, names, classes=classes),
            NO_DEFAULT if default is None else literal_value(default),
            is_positional_only=index < len(arguments.posonlyargs),
        )
        for index, (argument, default) in enumerate(pairs)
    ]


def choose_entry(flow_file: FlowFile, entry: str | None) -> FlowEntry:
    """Choose the flow to run.

    Args:
        flow_file: the file's flows.
        entry: the name of a function or a flow; None to find the one that is meant: the only one, else the
            one called ``main``, else the one called like the file.

    Raises:
        NoEntry: no flow, no such flow, or none that stands out.
    """
    if not flow_file.candidates:
        raise NoEntry(_no_flow(flow_file))
    if entry is not None:
        named = _called(flow_file.candidates, entry)
        if len(named) == 1:
            return named[0]
        raise NoEntry(_many_flows(flow_file, entry) if named else _no_such_flow(flow_file, entry))
    if len(flow_file.candidates) == 1:
        return flow_file.candidates[0]
    stem = flow_file.path.rpartition("/")[2].removesuffix(".py").replace("-", "_")
    for name in ("main", stem):
        named = _called(flow_file.candidates, name)
        if len(named) == 1:
            return named[0]
    raise NoEntry(_many_flows(flow_file, None))


def _called(candidates: list[FlowEntry], name: str) -> list[FlowEntry]:
    """Give the flows of that function name, or where there is none, those of that flow name."""
    by_function = [candidate for candidate in candidates if candidate.function == name]
    return by_function or [candidate for candidate in candidates if candidate.name == name]


def _no_flow(flow_file: FlowFile) -> str:
    plain = flow_file.plain_functions
    name = "main" if "main" in plain or not plain else plain[0]
    start = f"{flow_file.path} has no flow"
    if "main" in plain:
        start += "; its function main is not one yet, for it has no @flow"
    return (
        f"{start}. A flow is a module-level function with the decorator flow:\n\n"
        f"    from hero_tracing import flow\n\n    @flow\n    def {_cut(name)}():"
    )


def _no_such_flow(flow_file: FlowFile, entry: str) -> str:
    import difflib  # here, because only this message needs it

    start = f"{flow_file.path} has no flow {shown(entry)}"
    if entry in flow_file.plain_functions:
        start += ": that function has no @flow. Decorate it, or take another"
    names = [name for candidate in flow_file.candidates for name in (candidate.function, candidate.name)]
    close = (
        difflib.get_close_matches(entry, [n for n in names if len(n) < 100], 1) if len(entry) < 100 else []
    )
    ending = f"; did you mean {shown(close[0])}?" if close else "."
    return f"{start}{ending} It has:\n{_listing(flow_file)}\nName one of them: --entry NAME"


def _many_flows(flow_file: FlowFile, entry: str | None) -> str:
    count = len(flow_file.candidates)
    which = f"{count} flows" if entry is None else f"more than one flow {shown(entry)}"
    return f"{flow_file.path} has {which}:\n{_listing(flow_file)}\nName the function of one: --entry NAME"


def _listing(flow_file: FlowFile) -> str:
    lines: list[str] = []
    for candidate in flow_file.candidates[:MAX_SHOWN_CANDIDATES]:
        title = "" if candidate.name == candidate.function else f" {shown(candidate.name)}"
        lines.append(f"  {_cut(candidate.function)}{title} (line {candidate.line})")
    more = len(flow_file.candidates) - MAX_SHOWN_CANDIDATES
    return "\n".join(lines + [f"  and {more} more"] * (more > 0))


def _cut(name: str) -> str:
    return name if len(name) <= 60 else name[:57] + "..."
