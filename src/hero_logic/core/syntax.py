"""What Python source says by itself: its tree, its names, its literals. Nothing here runs it.

1. The source may be hostile. Whatever the compiler makes of it, the caller gets a tree or BadFlowFile.
2. Anything that walks a tree walks it in bounded depth: the compiler lets an expression nest about
   three thousand deep, which is more than our own stack would bear.
3. This is on the way of every start: the C module ``_ast`` holds the classes of the nodes, and
   ``compile`` makes them; importing ``ast`` would cost 12 ms and give nothing that is needed here.
"""

from __future__ import annotations

import _ast
import _thread
import sys

from hero_logic.core.errors import BadFlowFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SOURCE_BYTES = 1024 * 1024
"""More than any flow written by hand. The tree of the worst text of this size takes 0.9 GB for 6 s."""

MAX_LITERAL_DEPTH = 32

_ONLY_AST = 0x400
_muting = _thread.allocate_lock()


class Marker:
    """A value that no literal can be; it shows itself as its name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


NOT_LITERAL = Marker("NOT_LITERAL")


def parse_module(source: str, path: str) -> _ast.Module:
    """Read the whole of a file as Python.

    Args:
        source: the text of the file, decoded.
        path: what to call the file in messages; it is not opened.

    Raises:
        BadFlowFile: it is too large, or not Python; with line and column where they are known.
    """
    if len(source) > MAX_SOURCE_BYTES:
        raise BadFlowFile(too_large(path, len(source)))
    nul = source.find("\0")
    if nul >= 0:
        line, column = line_and_column(source, nul)
        raise BadFlowFile(
            f"{path}:{line}:{column}: a NUL character, which no Python source may hold. "
            "Is it a text file? Save it as UTF-8."
        )
    try:
        tree = _compile(source, "exec")
    except SyntaxError as error:
        raise BadFlowFile(_not_python(path, error)) from error
    except UnicodeEncodeError as error:
        line, column = line_and_column(source, error.start)
        raise BadFlowFile(
            f"{path}:{line}:{column}: half of a surrogate pair, which is no character. Save it as UTF-8."
        ) from error
    except (RecursionError, MemoryError) as error:
        raise BadFlowFile(
            f"{path}: nested too deeply for Python's compiler. Split its longest expression or elif chain."
        ) from error
    except (ValueError, OverflowError, SystemError) as error:
        raise BadFlowFile(f"{path}: Python's compiler cannot read it: {error}") from error
    assert isinstance(tree, _ast.Module)
    return tree


def parse_annotation(text: str) -> _ast.expr | None:
    """Read an annotation that is written as a string; None where it is no expression.

    >>> type(parse_annotation("list[int]")).__name__
    'Subscript'
    >>> parse_annotation("who knows?") is None
    True
    """
    try:
        tree = _compile(text, "eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, SystemError):
        return None
    assert isinstance(tree, _ast.Expression)
    return tree.body


def _compile(source: str, mode: str) -> _ast.AST:
    """Compile to a tree, silently: what the compiler warns of is told when the flow runs.

    While nothing has imported ``warnings`` its filters are the interpreter's own, which make an
    error of nothing, and all but backslashes are silent: a plain flow is spared that import.
    """
    if "warnings" not in sys.modules and "\\" not in source:
        return _tree(source, mode)
    import warnings

    with _muting, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _tree(source, mode)


def _tree(source: str, mode: str) -> _ast.AST:
    # The file name is empty on purpose: for its message on a syntax error the compiler opens the file
    # that it is told of, which here may be anything, a pipe that blocks included.
    tree = compile(source, "", mode, flags=_ONLY_AST, dont_inherit=True)
    assert isinstance(tree, _ast.AST)
    return tree


def _not_python(path: str, error: SyntaxError) -> str:
    place = path
    if error.lineno:
        place = f"{path}:{error.lineno}:{max(error.offset or 1, 1)}"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return f"{place}: not Python {version} ({str(error.msg)[:200]}). Correct that line, then start it again."


def too_large(path: str, size: int) -> str:
    """Say that a flow's file is past the limit."""
    return (
        f"{path}: {size} bytes; a flow's file may have {MAX_SOURCE_BYTES}. "
        "Move data out of it into a file that the flow reads."
    )


def line_and_column(text: str, index: int) -> tuple[int, int]:
    r"""Where a character stands; both count from 1.

    >>> line_and_column("ab\ncd", 4)
    (2, 2)
    """
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def module_statements(module: _ast.Module) -> Iterator[_ast.stmt]:
    """Give the statements that run when the module is imported, in the order of the source.

    Those in module-level ``if``, ``try`` and ``with`` blocks are among them. A long ``elif`` chain is a
    deep tree, so the stack is a list and not the interpreter's own.
    """
    waiting: list[_ast.AST] = list(reversed(module.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, _ast.stmt):
            yield node
        waiting.extend(reversed(_nested(node)))


def _nested(node: _ast.AST) -> list[_ast.AST]:
    if isinstance(node, _ast.If):
        return [*node.body, *node.orelse]
    if isinstance(node, (_ast.Try, _ast.TryStar)):
        return [*node.body, *node.handlers, *node.orelse, *node.finalbody]
    if isinstance(node, (_ast.With, _ast.ExceptHandler)):
        return list(node.body)
    return []


def bound_names(module: _ast.Module) -> dict[str, str]:
    """Say what each module-level name stands for.

    Returns:
        The full dotted name for an imported one, "" for one that the module defines. An import wins
        over a definition: `try: from hero_tracing import flow` is often followed by a stand-in for it.
        `hero_tracing` wins over all, for the same reason.
    """
    names: dict[str, str] = {}
    for node in module_statements(module):
        if isinstance(node, (_ast.Import, _ast.ImportFrom)):
            for name, full in _imported(node):
                if names.get(name, "").partition(".")[0] != "hero_tracing":
                    names[name] = full
        else:
            for name in _defined(node):
                names.setdefault(name, "")
    return names


def once_bound_classes(module: _ast.Module) -> dict[str, _ast.ClassDef]:
    """Give the module-level classes by name, without those whose name is bound again by something else."""
    classes: dict[str, _ast.ClassDef] = {}
    count: dict[str, int] = {}
    for node in module_statements(module):
        for name in _defined(node):
            count[name] = count.get(name, 0) + 1
        if isinstance(node, _ast.ClassDef):
            classes[node.name] = node
    return {name: node for name, node in classes.items() if count[name] == 1}


def _imported(node: _ast.Import | _ast.ImportFrom) -> Iterator[tuple[str, str]]:
    if isinstance(node, _ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (top, top)
        return
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name != "*":
            yield alias.asname or alias.name, f"{module}.{alias.name}"
        elif module == "hero_tracing":
            yield "flow", "hero_tracing.flow"


def _defined(node: _ast.stmt) -> list[str]:
    if isinstance(node, (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef)):
        return [node.name]
    if isinstance(node, _ast.Assign):
        return [target.id for target in node.targets if isinstance(target, _ast.Name)]
    if isinstance(node, _ast.AnnAssign) and isinstance(node.target, _ast.Name):
        return [node.target.id]
    return []


def dotted_name(node: _ast.AST, names: dict[str, str]) -> str:
    """Give the full name of ``a`` or ``a.b.c``, imports resolved; "" for all other nodes.

    A name that the module neither imports nor defines is itself, so a builtin.

    >>> node = parse_annotation("t.Optional")
    >>> dotted_name(node, {"t": "typing"})
    'typing.Optional'
    """
    parts: list[str] = []
    while isinstance(node, _ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, _ast.Name):
        return ""
    first = names.get(node.id, node.id)
    return ".".join([first, *reversed(parts)]) if first else ""


def literal_value(node: _ast.AST, depth: int = 0) -> object:
    """Give the value of a literal, or NOT_LITERAL for what only running it could tell.

    >>> literal_value(parse_annotation("{'a': [1, -2.5, None]}"))
    {'a': [1, -2.5, None]}
    >>> literal_value(parse_annotation("print('x')"))
    NOT_LITERAL
    """
    if depth > MAX_LITERAL_DEPTH:
        return NOT_LITERAL
    if isinstance(node, _ast.Constant):
        return node.value
    if isinstance(node, _ast.UnaryOp):
        return _signed(node)
    if isinstance(node, _ast.Dict):
        return _literal_dict(node, depth)
    if isinstance(node, (_ast.List, _ast.Tuple)):
        items = [literal_value(item, depth + 1) for item in node.elts]
        if NOT_LITERAL in items:
            return NOT_LITERAL
        return tuple(items) if isinstance(node, _ast.Tuple) else items
    return NOT_LITERAL


def _signed(node: _ast.UnaryOp) -> object:
    operand = node.operand
    if not isinstance(operand, _ast.Constant) or type(operand.value) not in (int, float):
        return NOT_LITERAL
    number = operand.value
    assert isinstance(number, (int, float))
    if isinstance(node.op, _ast.USub):
        return -number
    return number if isinstance(node.op, _ast.UAdd) else NOT_LITERAL


def _literal_dict(node: _ast.Dict, depth: int) -> object:
    found: dict[object, object] = {}
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        key = NOT_LITERAL if key_node is None else literal_value(key_node, depth + 1)
        value = literal_value(value_node, depth + 1)
        # A key that is a container may not be hashable: none that JSON can carry is one.
        if key is NOT_LITERAL or value is NOT_LITERAL or isinstance(key, (list, dict, tuple)):
            return NOT_LITERAL
        found[key] = value
    return found


def docstring_of(node: _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.ClassDef) -> str:
    """Give the docstring of a function or a class as it stands in the source; "" where it has none."""
    first = node.body[0]
    return literal_text(first.value) or "" if isinstance(first, _ast.Expr) else ""


def literal_text(node: _ast.AST | None) -> str | None:
    r"""Give the text of a literal string, or None for all other nodes.

    A NUL or half of a surrogate pair, which no store can hold, becomes U+FFFD.

    >>> literal_text(parse_annotation(r"'a\0b'"))
    'a\ufffdb'
    """
    if not isinstance(node, _ast.Constant) or not isinstance(node.value, str):
        return None
    text = node.value
    return "".join(
        "\ufffd" if character == "\0" or "\ud800" <= character <= "\udfff" else character
        for character in text
    )
