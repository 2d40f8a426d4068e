"""Whether a script means the same in a function, where a reader finds it at home.

A script was run as a module. Most scripts can be the body of a function, as they were written; this module
says which ones cannot, and errs on that side. What differs inside a function:

1. ``import *``, ``global``, ``__future__``, classes (their bodies do not see the names around them, and their
   names show it), ``exec`` and its kin, names of the module itself (``__name__``).
2. A name that is read before it was surely set: a module raises another error, or finds a builtin.
3. A name that the script does not have: the flow's own module may have it.
4. Texts over several lines, which indenting would change: the tree of the indented body tells.
5. Comments that are words to linters and type checkers.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass

from hero_logic.migrate.code import closed, in_triple_quotes
from hero_logic.migrate.names import BUILTINS

MAX_FUNCTION_CHARACTERS = 50_000
"""A script that is longer stays a text: nobody reads it as a function, and reading it costs."""

_SCOPE_WORDS = frozenset(
    ("exec", "eval", "globals", "locals", "vars", "dir", "super", "compile", "breakpoint")
)
_PLACE_WORDS = frozenset(
    ("__qualname__", "__module__", "__globals__", "__code__", "_getframe", "currentframe")
)
_DIRECTIVE = re.compile(
    r"#\s*(?:type|mypy|pyright|ruff|fmt|yapf|isort|flake8|pylint|noqa|nosec|pragma|///|-\*-)", re.IGNORECASE
)
_FRAGILE = re.compile(r'"""|\'\'\'|\\\n|\t|[fFtT][rR]?["\']|[rR][fFtT]["\']')
_EXITING = re.compile(
    r"exit|quit|Exit|BaseException|asyncio|Cancelled|exec|eval|argparse|optparse|unittest|runpy|import_module|__import__|interact"
)


class ScriptFault(ValueError):
    """A script that is no Python: where, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Script:
    """What is known of a script without running it.

    Attributes:
        text: as it was written, with newlines alone between its lines.
        as_text: why it cannot stand in a function; "" where it can.
        keys: the keys that its output surely has, where it is known as an object; else None.
        is_exact: whether it surely has no others.
        may_exit: whether it may raise SystemExit, for all that its words say.
    """

    text: str
    as_text: str
    keys: tuple[str, ...] | None
    is_exact: bool
    may_exit: bool


class _OnlyAsText(Exception):
    """The script would mean something else in a function."""


def read(text: str) -> Script:
    """What is known of a script.

    Raises:
        ScriptFault: it is not Python.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    tree = _parsed(text)
    reason = ""
    try:
        _check(text, tree)
    except _OnlyAsText as found:
        reason = str(found)
    except RecursionError:
        reason = "it is nested too deeply to tell"
    keys, is_exact = _keys(tree)
    return Script(text, reason, keys, is_exact, _EXITING.search(text) is not None)


def indented(text: str) -> list[str]:
    """The lines of a script as the body of a function."""
    return [f"    {line}" if line.strip() else "" for line in text.strip("\n").rstrip().split("\n")]


def as_text(text: str) -> list[str]:
    """The lines of a script inside of three double quotes, which the last line closes."""
    lines = [_line_as_text(line) for line in text.split("\n")]
    lines[-1] = closed(lines[-1])
    return lines


def _line_as_text(line: str) -> str:
    shown = in_triple_quotes(line)
    # At the beginning of a line some comments are words to tools, even inside of a text.
    return "\\x23" + shown[1:] if _DIRECTIVE.match(shown) else shown


def _parsed(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, "")
            # The parser takes ``return`` outside a function and the like; the compiler does not.
            compile(tree, "", "exec", dont_inherit=True)
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        raise ScriptFault(f"{place}{str(error.msg)[:200]}") from error
    except (ValueError, OverflowError, SystemError) as error:
        raise ScriptFault(str(error)[:200]) from error
    except (RecursionError, MemoryError) as error:
        raise ScriptFault("it is nested too deeply for Python's compiler") from error
    return tree


def _keys(tree: ast.Module) -> tuple[tuple[str, ...] | None, bool]:
    """The keys that the output surely has, and whether it has no others."""
    last = tree.body[-1] if tree.body else None
    match last:
        case ast.Assign(targets=[ast.Name(id="output")], value=ast.Dict(keys=keys)):
            names = [
                key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
            ]
            return tuple(dict.fromkeys(names)), len(names) == len(keys)
        case _:
            return None, False


def _check(text: str, tree: ast.Module) -> None:
    """Raise _OnlyAsText where the script would mean something else in a function."""
    if len(text) > MAX_FUNCTION_CHARACTERS:
        raise _OnlyAsText(f"it is longer than {MAX_FUNCTION_CHARACTERS} characters")
    if not all(character.isprintable() or character in "\n\t" for character in text):
        raise _OnlyAsText("it has characters that do not show")
    if _DIRECTIVE.search(text):
        raise _OnlyAsText("a comment of it is a word to linters or type checkers")
    bound = _bound_names(tree)
    harmless = _harmless_calls(tree)
    for node in ast.walk(tree):
        if id(node) not in harmless:
            _check_node(node, bound)
    state = _State(set(), set())
    end = _Assignment(bound, _unbound_names(tree.body)).block(tree.body, state)
    if end is not None and (end.pending - end.assigned or "output" not in end.assigned):
        raise _OnlyAsText("it does not surely set output")
    if _FRAGILE.search(text):
        _check_indented(text, tree)


def _check_indented(text: str, tree: ast.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            moved = ast.parse("def _():\n" + "\n".join(indented(text)))
        except SyntaxError as error:
            raise _OnlyAsText("indenting it changes it") from error
    function = moved.body[0]
    assert isinstance(function, ast.FunctionDef)
    if [ast.dump(statement) for statement in function.body] != [
        ast.dump(statement) for statement in tree.body
    ]:
        raise _OnlyAsText("a text over several lines would change where it is indented")


def _check_node(node: ast.AST, bound: set[str]) -> None:
    match node:
        case ast.ImportFrom(module="__future__") | ast.ImportFrom(names=[ast.alias(name="*")]):
            raise _OnlyAsText(f"from {node.module} import {node.names[0].name} works in a module alone")
        case ast.Global():
            raise _OnlyAsText(f"global {', '.join(node.names)} means the module's own names")
        case ast.ClassDef():
            raise _OnlyAsText(f"class {node.name} would not see the names around it")
        case ast.Name(id=name) if name in _SCOPE_WORDS:
            raise _OnlyAsText(f"{name} sees the names of the module")
        case ast.Name(id=name) if name.startswith("__") or (name not in bound and name not in BUILTINS):
            raise _OnlyAsText(f"{name} is a name that the script does not have")
        case ast.Attribute(attr=attr) if attr in _PLACE_WORDS:
            raise _OnlyAsText(f"{attr} shows where something stands")
        case ast.AnnAssign() if not _is_plain(node.annotation):
            raise _OnlyAsText("an annotation is evaluated in a module alone")
        case _ if type(node).__name__ in ("TypeAlias", "TypeVar", "TypeVarTuple", "ParamSpec"):
            raise _OnlyAsText("type parameters show where they are")
        case _:
            pass


def _harmless_calls(tree: ast.Module) -> set[int]:
    """The words ``exec`` and ``eval`` that are called with a dict of the script's own: they see no more."""
    own = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    stores = [
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    sure = {name for name in own if stores.count(name) == 1}
    return {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("exec", "eval")
        and len(node.args) == 2
        and not node.keywords
        and (
            isinstance(node.args[1], ast.Dict)
            or (isinstance(node.args[1], ast.Name) and node.args[1].id in sure)
        )
    }


def _is_plain(annotation: ast.expr) -> bool:
    """Whether evaluating it does nothing, in any Python."""
    match annotation:
        case ast.Name(
            id="int" | "float" | "str" | "bool" | "list" | "dict" | "set" | "tuple" | "bytes" | "object"
        ):
            return True
        case ast.Subscript(value=ast.Name(id="list" | "dict" | "set" | "tuple"), slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return all(map(_is_plain, parts))
        case _:
            return False


def _bound_names(tree: ast.AST) -> set[str]:
    """Every name that is bound anywhere in the script, in whatever scope."""
    bound = {"inputs"}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                bound.add(name)
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ExceptHandler(name=str(name))
            ):
                bound.add(name)
            case ast.arg(arg=name) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound.add(name)
            case ast.MatchMapping(rest=str(name)):
                bound.add(name)
            case ast.alias():
                bound.add(_imported(node))
            case _:
                pass
    return bound


def _imported(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _unbound_names(statements: list[ast.stmt]) -> set[str]:
    """The names that are taken away somewhere: by ``del``, and at the end of an ``except ... as``."""
    gone: set[str] = set()
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
                gone.add(node.id)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                gone.add(node.name)
    return gone


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(slots=True)
class _State:
    """The names that are surely set here, and those that a function defined above will look for."""

    assigned: set[str]
    pending: set[str]

    def copy(self) -> _State:
        return _State(set(self.assigned), set(self.pending))


class _Assignment:
    """Follows which names are surely set, statement by statement; None is a state that is never reached.

    A loop's body is followed once, from the state before it: what it sets may serve later rounds, and is not
    counted on.
    """

    def __init__(self, bound: set[str], gone: set[str]) -> None:
        self.bound = bound
        self.gone = gone
        self.breaks: list[list[_State]] = []

    def block(self, statements: list[ast.stmt], state: _State | None) -> _State | None:
        for statement in statements:
            if state is None:
                raise _OnlyAsText("some of it is never reached")
            if not isinstance(statement, (ast.FunctionDef, ast.Import, ast.ImportFrom)):
                self.settle(state)
            state = self.statement(statement, state)
        return state

    def settle(self, state: _State) -> None:
        missing = state.pending - state.assigned
        if missing:
            raise _OnlyAsText(f"{min(missing)} may not be set yet where a function of the script reads it")
        state.pending.clear()

    def statement(self, node: ast.stmt, state: _State) -> _State | None:
        method = getattr(self, f"on_{type(node).__name__}", None)
        if method is None:
            raise _OnlyAsText(f"a statement {type(node).__name__} is not followed here")
        after: _State | None = method(node, state)
        return after

    # Statements

    def on_Pass(self, _: ast.Pass, state: _State) -> _State:
        return state

    def on_Expr(self, node: ast.Expr, state: _State) -> _State:
        return self.read(node.value, state)

    def on_Assert(self, node: ast.Assert, state: _State) -> _State:
        self.read(node.test, state)
        if node.msg:
            self.read(node.msg, state.copy())
        return state

    def on_Assign(self, node: ast.Assign, state: _State) -> _State:
        self.read(node.value, state)
        for target in node.targets:
            self.bind(target, state)
        return state

    def on_AnnAssign(self, node: ast.AnnAssign, state: _State) -> _State:
        if node.value:
            self.read(node.value, state)
            self.bind(node.target, state)
        return state

    def on_AugAssign(self, node: ast.AugAssign, state: _State) -> _State:
        if isinstance(node.target, ast.Name):
            self.look(node.target.id, state)
        self.read(node.value, state)
        self.bind(node.target, state)
        return state

    def on_Delete(self, node: ast.Delete, state: _State) -> _State:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.look(target.id, state)
                state.assigned.discard(target.id)
            else:
                self.read(target, state)
        return state

    def on_Raise(self, node: ast.Raise, state: _State) -> None:
        for part in (node.exc, node.cause):
            if part:
                self.read(part, state)

    def on_Import(self, node: ast.Import, state: _State) -> _State:
        state.assigned.update(map(_imported, node.names))
        return state

    def on_ImportFrom(self, node: ast.ImportFrom, state: _State) -> _State:
        state.assigned.update(map(_imported, node.names))
        return state

    def on_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, state: _State) -> _State:
        arguments = node.args
        hints = [arg.annotation for arg in _arguments(arguments)]
        for part in [*node.decorator_list, *arguments.defaults, *arguments.kw_defaults, *hints, node.returns]:
            if part is not None:
                self.read(part, state)
        state.pending |= self.looked_for(node)
        state.assigned.add(node.name)
        if node.decorator_list:
            self.settle(state)
        return state

    on_AsyncFunctionDef = on_FunctionDef

    def on_If(self, node: ast.If, state: _State) -> _State | None:
        self.read(node.test, state)
        return _both(self.block(node.body, state.copy()), self.block(node.orelse, state))

    def on_For(self, node: ast.For, state: _State) -> _State | None:
        self.read(node.iter, state)
        state.assigned -= _unbound_names(node.body)
        inside = state.copy()
        self.bind(node.target, inside)
        return self.loop(node, inside, state)

    def on_While(self, node: ast.While, state: _State) -> _State | None:
        state.assigned -= _unbound_names(node.body)
        self.read(node.test, state)
        for_ever = isinstance(node.test, ast.Constant) and bool(node.test.value)
        return self.loop(node, state.copy(), None if for_ever else state)

    def loop(self, node: ast.For | ast.While, inside: _State, passed: _State | None) -> _State | None:
        self.breaks.append([])
        self.block(node.body, inside)
        if passed is not None:
            passed = self.block(node.orelse, passed)
        for state in self.breaks.pop():
            passed = _both(passed, state)
        return passed

    def on_Break(self, _: ast.Break, state: _State) -> None:
        self.breaks[-1].append(state)

    def on_Continue(self, _: ast.Continue, state: _State) -> None:
        pass

    def on_With(self, node: ast.With, state: _State) -> _State | None:
        sure = True
        for item in node.items:
            self.read(item.context_expr, state)
            if item.optional_vars:
                self.bind(item.optional_vars, state)
            match item.context_expr:
                case ast.Call(func=ast.Name(id="open")):
                    pass
                case _:
                    sure = False  # it may swallow what is raised inside, and go on behind
        before = state.copy()
        before.assigned -= _unbound_names(node.body)
        after = self.block(node.body, state)
        return after if sure else _both(before, after)

    def on_Try(self, node: ast.Try, state: _State) -> _State | None:
        before = state.copy()
        before.assigned -= _unbound_names(node.body)
        end = self.block(node.body, state)
        if end is not None:
            end = self.block(node.orelse, end)
        for handler in node.handlers:
            inside = before.copy()
            if handler.type:
                self.read(handler.type, inside)
            if handler.name:
                inside.assigned.add(handler.name)
            after = self.block(handler.body, inside)
            if after is not None and handler.name:
                after.assigned.discard(handler.name)
            end = _both(end, after)
        if not node.finalbody:
            return end
        before.assigned -= _unbound_names([*node.orelse, *(part for h in node.handlers for part in h.body)])
        last = self.block(node.finalbody, before)
        if last is None or end is None:
            return None
        end.assigned |= last.assigned
        return end

    on_TryStar = on_Try

    def on_Match(self, node: ast.Match, state: _State) -> _State | None:
        self.read(node.subject, state)
        end: _State | None = state
        for case in node.cases:
            inside = state.copy()
            for part in ast.walk(case.pattern):
                match part:
                    case (
                        ast.MatchAs(name=str(name))
                        | ast.MatchStar(name=str(name))
                        | ast.MatchMapping(rest=str(name))
                    ):
                        inside.assigned.add(name)
                    case ast.expr():
                        self.read(part, state)
                    case _:
                        pass
            if case.guard:
                self.read(case.guard, inside)
            end = _both(end, self.block(case.body, inside))
        return end

    # Expressions

    def look(self, name: str, state: _State) -> None:
        if name in self.bound and name not in state.assigned and name != "inputs":
            raise _OnlyAsText(f"{name} may not be set yet where it is read")

    def bind(self, target: ast.expr, state: _State) -> None:
        match target:
            case ast.Name(id=name):
                state.assigned.add(name)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self.bind(part, state)
            case ast.Starred(value=value):
                self.bind(value, state)
            case _:
                for inner in ast.iter_child_nodes(target):
                    if isinstance(inner, ast.expr):
                        self.read(inner, state)

    def read(self, node: ast.expr, state: _State) -> _State:
        """Follow an expression; what ``:=`` surely sets is set in the state."""
        match node:
            case ast.Name(id=name):
                self.look(name, state)
            case ast.NamedExpr(target=target, value=value):
                self.read(value, state)
                state.assigned.add(target.id)
            case ast.BoolOp(values=[first, *others]):
                self.read(first, state)
                inside = state.copy()
                for part in others:
                    self.read(part, inside)
            case ast.IfExp(test=test, body=one, orelse=other):
                self.read(test, state)
                self.read(one, state.copy())
                self.read(other, state.copy())
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                missing = self.looked_for(node) - state.assigned
                if missing:
                    raise _OnlyAsText(f"{min(missing)} may not be set yet where it is read")
            case _:
                self.read_parts(node, state)
        return state

    def read_parts(self, node: ast.AST, state: _State) -> None:
        # Of a comparison only its first two parts are surely evaluated; what := sets behind is rare.
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self.read(part, state)
            else:
                self.read_parts(part, state)

    def looked_for(self, node: ast.AST) -> set[str]:
        """The names of the script that an inner scope reads, when it runs."""
        names = self.free(node) & self.bound - {"inputs"}
        if names & self.gone:
            raise _OnlyAsText(f"{min(names & self.gone)} may be gone where a function of the script reads it")
        return names

    def free(self, node: ast.AST) -> set[str]:
        own: set[str] = set()
        used: set[str] = set()
        if isinstance(node, _FUNCTIONS):
            own.update(arg.arg for arg in _arguments(node.args))
        left: list[ast.AST] = list(ast.iter_child_nodes(node))
        while left:
            part = left.pop()
            match part:
                case ast.Name(id=name, ctx=ast.Load()):
                    used.add(name)
                case ast.Name(id=name):
                    own.add(name)
                case ast.ExceptHandler(name=str(name)):
                    own.add(name)
                case ast.alias():
                    own.add(_imported(part))
                case (
                    ast.MatchAs(name=str(name))
                    | ast.MatchStar(name=str(name))
                    | ast.MatchMapping(rest=str(name))
                ):
                    own.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    own.add(name)
                case _:
                    pass
            if isinstance(part, (*_FUNCTIONS, *_COMPREHENSIONS)):
                used |= self.free(part)
            else:
                left.extend(ast.iter_child_nodes(part))
        return used - own


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [*found, *(arg for arg in (arguments.vararg, arguments.kwarg) if arg)]


def _both(one: _State | None, other: _State | None) -> _State | None:
    """What holds whichever way was taken."""
    if one is None or other is None:
        return one or other
    return _State(one.assigned & other.assigned, one.pending | other.pending)
