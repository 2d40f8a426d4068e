"""What a source has to be to be published as a flow: read, and never run.

1. An error says that a play of it could not start: it is not Python, no flow or no single one is found, it
   asks for what cannot be read, or it imports what does not come along. A warning says what may go wrong.
2. A published flow is its source and nothing else: what lies beside a file is not published with it.
3. A problem is told with line and column, both from 1, where it has a place.

Source: docs/library.md, "What is checked".
"""

from __future__ import annotations

import _ast
import re
import sys

from hero_logic.core.errors import BadFlowFile, NoEntry, UsageError
from hero_logic.core.flow_source import NO_DEFAULT, FlowEntry, choose_entry, encode_source, read_flow_file
from hero_logic.core.input_types import ANY, shown
from hero_logic.core.library import Problem
from hero_logic.core.local_imports import imported_modules
from hero_logic.core.syntax import NOT_LITERAL, dotted_name, parse_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from hero_logic.core.flow_source import FlowFile

MAX_NAME_CHARS = 128
MAX_DESCRIPTION_CHARS = 10_000
MAX_TAGS = 50
MAX_TAG_CHARS = 64
MAX_PROBLEMS = 100

_SID_CHARACTERS = frozenset("0123456789abcdef")
_SID_CHARS = 16
_PLACE = re.compile(r":(\d+)(?::(\d+))?: ")
_NEWLINE = re.compile("\r\n|\r|\n")
_OWN = "hero_tracing"
_CATCHES = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


class Checked:
    """What was found in a source.

    Attributes:
        entry: the flow that a play of it runs; None where an error is among the problems.
        problems: in the order of their places.
    """

    __slots__ = ("entry", "problems")

    def __init__(self, entry: FlowEntry | None, problems: list[Problem]) -> None:
        self.entry = entry
        self.problems = problems

    @property
    def is_fit(self) -> bool:
        """Whether it can be published."""
        return self.entry is not None and not any(problem.severity == "error" for problem in self.problems)


def check_name(name: str) -> str:
    """Give the name under which a flow can be published.

    Raises:
        UsageError: it is none: empty, long, with characters that do not print or ``@``, like a file's or a
        sid's.

    >>> check_name("nightly report")
    'nightly report'
    """
    why = _name_problem(name)
    if why:
        raise UsageError(
            f"the name {name!r:.200} cannot be a flow's: {why}. A name has 1 to {MAX_NAME_CHARS} characters "
            "that print, such as nightly-report."
        )
    return name


def _name_problem(name: str) -> str:
    if not name or len(name) > MAX_NAME_CHARS:
        return f"it has {len(name)} characters"
    if name != name.strip() or not name.isprintable():
        return "it begins or ends with a space, or has characters that do not print"
    if "@" in name:
        return "a version follows on @"
    if name.startswith("-"):
        return "it would be taken for an option"
    if name.endswith(".py"):
        return "it would be taken for a file"
    if len(name) == _SID_CHARS and _SID_CHARACTERS.issuperset(name):
        return "it would be taken for the sid of a flow"
    return ""


def check_tags(tags: Sequence[str]) -> list[str]:
    """Give tags as they are kept: without spaces around them, each once.

    Raises:
        UsageError: too many, or one is empty, long, or has characters that do not print.

    >>> check_tags([" sales ", "sales", "daily"])
    ['sales', 'daily']
    """
    kept = list(dict.fromkeys(tag.strip() for tag in tags))
    if len(kept) > MAX_TAGS:
        raise UsageError(f"{len(kept)} tags: a flow has {MAX_TAGS} at the most.")
    for tag in kept:
        if not tag or len(tag) > MAX_TAG_CHARS or not tag.isprintable():
            raise UsageError(
                f"the tag {tag!r:.200} cannot be one: it has 1 to {MAX_TAG_CHARS} characters that print."
            )
    return kept


def check_description(text: str) -> str:
    """Give a description as it is kept: without spaces around it.

    Raises:
        UsageError: it is long, or has characters that no terminal should get.
    """
    text = text.strip()
    if len(text) > MAX_DESCRIPTION_CHARS:
        raise UsageError(f"a description of {len(text)} characters: {MAX_DESCRIPTION_CHARS} are the most.")
    if not all(character.isprintable() or character in "\n\t" for character in text):
        raise UsageError("the description has characters that do not print. Leave them out.")
    return text


def plain_description(text: str) -> str:
    """What a source says of itself as a description: what does not print replaced, what is too long cut."""
    kept = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return kept[:MAX_DESCRIPTION_CHARS]


def file_name(name: str) -> str:
    """What a published flow's file is called in messages and tracebacks.

    >>> file_name("sales/nightly report")
    'nightly_report.py'
    """
    last = name.rpartition("/")[2] or name
    return "".join(character if character.isalnum() else "_" for character in last) + ".py"


def check_source(source: str, name: str, beside: Collection[str] = ()) -> Checked:
    """Read a source that is to be published.

    Args:
        source: its text.
        name: the flow's.
        beside: the modules that lie beside the file that it comes from, dotted, and that it imports: they do
            not come along.

    >>> [(problem.code, problem.line, problem.column) for problem in check_source("def f(:", "f").problems]
    [('bad_flow_file', 1, 7)]
    """
    path = file_name(name)
    if looks_legacy(source):
        return Checked(None, [Problem("error", "legacy_flow", LEGACY_SOURCE, 1, 1)])
    try:
        encode_source(source, path)
        module = parse_module(source, path)
        flow_file = read_flow_file(source, path, module)
        entry = choose_entry(flow_file, None)
    except BadFlowFile as error:
        return Checked(None, [_placed(error, path)])
    except UnicodeEncodeError as error:
        return Checked(None, [_not_encoded(error)])
    except NoEntry as error:
        return Checked(None, [_no_single_entry(error, path, flow_file)])
    problems = [
        *_import_problems(module, _NEWLINE.split(source), flow_file, beside),
        *_need_problems(entry),
        *_parameter_problems(entry),
    ]
    return Checked(entry, _ordered(problems))


def own_name(source: str, stem: str) -> tuple[str, set[str]]:
    """What a source calls itself, and the modules that it imports; neither where it cannot be read.

    Args:
        source: its text.
        stem: the name of its file, which names a flow whose function is called main.

    >>> own_name("from hero_tracing import flow\\n@flow\\ndef main(): ...", "nightly")[0]
    'nightly'
    """
    if looks_legacy(source):
        import json

        name = json.loads(source).get("name")
        return (name if isinstance(name, str) and not _name_problem(name) else stem), set()
    try:
        flow_file = read_flow_file(source, f"{stem}.py")
        entry = choose_entry(flow_file, None)
    except (BadFlowFile, NoEntry):
        return stem, set()
    return (stem if entry.name == entry.function == "main" else entry.name), flow_file.imports


LEGACY_SOURCE = (
    "this is a workflow of before, as JSON, and no Python. Make a flow of it with `hero-logic migrate`, "
    "and publish that."
)


def looks_legacy(source: str) -> bool:
    """Whether a text is a workflow of before: the JSON of a graph."""
    if not source.lstrip().startswith("{"):
        return False
    import json

    try:
        value = json.loads(source)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and isinstance(value.get("nodes"), list)


# --- problems of the whole ----------------------------------------------------------------------------


def _ordered(problems: list[Problem]) -> list[Problem]:
    """Problems in the order of their places; of very many the first errors, and how many more there are."""

    def place(problem: Problem) -> tuple[int, int]:
        return problem.line, problem.column

    more = len(problems) - MAX_PROBLEMS
    if more <= 0:
        return sorted(problems, key=place)
    kept = sorted(problems, key=lambda problem: (problem.severity != "error", place(problem)))[:MAX_PROBLEMS]
    kept.sort(key=place)
    return [*kept, Problem("warning", "more_problems", f"and {more} more", kept[-1].line, kept[-1].column)]


def _placed(error: BadFlowFile, path: str) -> Problem:
    """The problem that an error tells, whose message begins with its place."""
    message = str(error).removeprefix(path)
    place = _PLACE.match(message)
    if place is None:
        return Problem("error", error.code, message.removeprefix(": "), 1, 1)
    return Problem("error", error.code, message[place.end() :], int(place[1]), int(place[2] or 1))


def _not_encoded(error: UnicodeEncodeError) -> Problem:
    text = str(error.object)
    line = text.count("\n", 0, error.start) + 1
    column = error.start - text.rfind("\n", 0, error.start)
    return Problem(
        "error",
        BadFlowFile.code,
        f"{text[error.start]!r} is not in {error.encoding}, the encoding that the source names. Leave that "
        "comment out: a source is UTF-8.",
        line,
        column,
    )


def _no_single_entry(error: NoEntry, path: str, flow_file: FlowFile) -> Problem:
    candidates = flow_file.candidates
    line, column = (candidates[1].line, candidates[1].column) if len(candidates) > 1 else (1, 1)
    message = str(error).replace("Name the function of one: --entry NAME", "Keep one, or call it main.")
    return Problem("error", error.code, message.replace(path, "the source", 1), line, column)


# --- imports ------------------------------------------------------------------------------------------


class _Import:
    """One import statement, or one name of it.

    Attributes:
        module: dotted; with dots before it where it is relative.
        is_guarded: whether its failure is caught.
    """

    __slots__ = ("column", "is_guarded", "line", "module", "names")

    def __init__(
        self, node: _ast.stmt, lines: Sequence[str], module: str, names: set[str], *, is_guarded: bool
    ) -> None:
        self.module = module
        self.names = names
        self.line = node.lineno
        # The tree counts bytes, and people characters.
        before = lines[node.lineno - 1].encode()[: node.col_offset]
        self.column = len(before.decode("utf-8", "replace")) + 1
        self.is_guarded = is_guarded


def _import_problems(
    module: _ast.Module, lines: Sequence[str], flow_file: FlowFile, beside: Collection[str]
) -> Iterator[Problem]:
    has_dependencies = flow_file.metadata is not None and bool(flow_file.metadata.dependencies)
    seen: set[str] = set()
    for found in _imports(module, lines):
        top = found.module.partition(".")[0]
        if found.module.startswith("."):
            yield _problem(
                found,
                "relative_import",
                f"from {found.module}: a published flow is in no package, and sees no module beside it. "
                "Put what it needs into the source.",
            )
        elif not found.names.isdisjoint(beside):
            yield _problem(
                found,
                "import_beside",
                f"{found.module} lies beside the file, and does not come along: a published flow is its "
                "source, and sees no module of its former directory. Put what it needs into the source, or "
                "into a package that is installed.",
            )
        elif top not in sys.stdlib_module_names and top != _OWN and not has_dependencies and top not in seen:
            seen.add(top)
            yield _problem(
                found,
                "unknown_import",
                f"{top} is not of the standard library: a published flow sees no module beside it. If it is "
                "of a package, name that in a script block (# dependencies = [...]).",
                severity="warning",
            )


def _problem(found: _Import, code: str, message: str, *, severity: str = "error") -> Problem:
    is_error = severity == "error" and not found.is_guarded
    return Problem("error" if is_error else "warning", code, message, found.line, found.column)


def _imports(module: _ast.Module, lines: Sequence[str]) -> Iterator[_Import]:
    """The imports that may be run, wherever they stand."""
    waiting: list[tuple[object, bool]] = [(module, False)]
    while waiting:
        node, is_guarded = waiting.pop()
        if isinstance(node, (_ast.Import, _ast.ImportFrom)):
            yield from _names_of(node, lines, is_guarded)
            continue
        if isinstance(node, _ast.If) and _is_type_checking(node.test):
            waiting += [(inner, is_guarded) for inner in reversed(node.orelse)]
            continue
        for block in reversed(_BLOCKS):
            is_caught = block == "body" and isinstance(node, _ast.Try) and _catches_imports(node)
            inner_nodes: Iterable[object] = getattr(node, block, None) or ()
            if isinstance(inner_nodes, list):
                waiting += [(inner, is_guarded or is_caught) for inner in reversed(inner_nodes)]


def _names_of(
    node: _ast.Import | _ast.ImportFrom, lines: Sequence[str], is_guarded: bool
) -> Iterator[_Import]:
    names = imported_modules(_ast.Module([node], []))
    if isinstance(node, _ast.ImportFrom):
        yield _Import(node, lines, "." * node.level + (node.module or ""), names, is_guarded=is_guarded)
        return
    for alias in node.names:
        own = {name for name in names if f"{alias.name}.".startswith(f"{name}.")}
        yield _Import(node, lines, alias.name, own, is_guarded=is_guarded)


def _is_type_checking(test: _ast.expr) -> bool:
    name = test.id if isinstance(test, _ast.Name) else test.attr if isinstance(test, _ast.Attribute) else ""
    return name == "TYPE_CHECKING"


def _catches_imports(node: _ast.Try) -> bool:
    for handler in node.handlers:
        caught = handler.type
        kinds = caught.elts if isinstance(caught, _ast.Tuple) else [caught]
        if any(kind is None or dotted_name(kind, {}) in _CATCHES for kind in kinds):
            return True
    return False


# --- what the flow says -------------------------------------------------------------------------------


def _need_problems(entry: FlowEntry) -> Iterator[Problem]:
    if entry.needs is None:
        return
    for kind in ("read", "write"):
        for path in entry.needs.of(kind):
            if not path.startswith(("/", "~")):
                message = (
                    f'needs["{kind}"] has {shown(path)}: a published flow has no directory for a path to '
                    "start from. Write the whole path."
                )
                yield Problem("error", "relative_need", message, entry.line, entry.column)


def _parameter_problems(entry: FlowEntry) -> Iterator[Problem]:
    names = {parameter.name for parameter in entry.parameters}
    for name in entry.inputs:
        if name not in names and not entry.accepts_any:
            yield _of_entry(
                entry, "unknown_input", f"inputs= describes {shown(name)}, which is no parameter."
            )
    for parameter in entry.parameters:
        # None stands for what is not given, whatever the annotation says.
        if any(parameter.default is one for one in (NO_DEFAULT, NOT_LITERAL, None)):
            continue
        problem = parameter.type.accepts(parameter.default, parameter.name)
        if problem is not None:
            yield _of_entry(entry, "unfit_default", f"the default does not fit: {problem}.")
    yield from _unread_annotations(entry)


def _unread_annotations(entry: FlowEntry) -> Iterator[Problem]:
    """Parameters whose annotation says something that cannot be read."""
    for parameter in entry.parameters:
        text = parameter.annotation
        if parameter.type is not ANY or not text:
            continue
        if text.strip("'\"").rpartition(".")[2] not in ("Any", "object"):
            message = (
                f"{parameter.name}: {text:.100} cannot be read from the source, so any JSON value is taken, "
                "and the flow gets that."
            )
            yield _of_entry(entry, "unread_annotation", message)


def _of_entry(entry: FlowEntry, code: str, message: str) -> Problem:
    return Problem("warning", code, message, entry.line, entry.column)
