"""The lines of a flow's function while they are written: blocks, and what is only known at the end.

Which variables have to be there before anything runs, which ones a task shares, which are never read: that is
known when all of the function is written, so lines that depend on it are made last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hero_logic.migrate.code import Code, in_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hero_logic.migrate.guards import Guard, Literal

    Place = tuple[Guard, list[Literal], list[bool], int]
    """Where lines went before a loop or a function began."""

FLOW = 0
"""The function that is the flow itself; each task has a number of its own."""


@dataclass(slots=True)
class Use:
    """How one variable is used."""

    read_in: set[int] = field(default_factory=set)
    set_in: set[int] = field(default_factory=set)
    is_read_early: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether a task sets what is used elsewhere too."""
        tasks = self.set_in - {FLOW}
        return bool(tasks) and len(self.read_in | self.set_in) > 1

    @property
    def needs_start(self) -> bool:
        """Whether it has to be there before anything runs."""
        return self.is_read_early or self.is_shared


class Body:
    """Lines, and where the next one goes.

    Attributes:
        guard: what holds here.
        function: in which function lines go.
        uses: functions of the prelude and names of imports that the lines use.
        variables: how each variable is used.
    """

    def __init__(self, guard: Guard, guard_of: Callable[[str], Guard | None], indent: int = 4) -> None:
        self.indent = indent
        self.guard = guard
        self.base = guard
        self.function = FLOW
        self.uses: set[str] = set()
        self.variables: dict[str, Use] = {}
        self.marks: dict[int, str] = {}
        self._guard_of = guard_of
        self._stack: list[Literal] = []
        self._by_else: list[bool] = []
        self._entries: list[Callable[[], list[str]]] = []
        self._marked: dict[int, str] = {}
        self._when_read: dict[str, Callable[[], None]] = {}
        self._due: list[Callable[[], None]] = []

    # Lines

    def line(self, text: str) -> None:
        """A line as it is."""
        shown = " " * self.indent + text
        self._entries.append(lambda: [shown])

    def statement(self, code: Code, prefix: str = "", suffix: str = "") -> None:
        """A statement with an expression in it."""
        self.reads(code)
        indent = self.indent
        self._entries.append(lambda: in_lines(code, prefix, suffix, indent))

    def assign(self, name: str, code: Code, *, instead: str = "") -> None:
        """Set a variable; where nobody reads it the expression stands alone, or what is to stand instead."""
        if instead:
            guard, function = self.guard, self.function
            self.when_read(name, lambda: self.reads_at(code, guard, function))
        else:
            self.reads(code)
        self.sets(name)
        indent = self.indent

        def render() -> list[str]:
            if self.variables[name].read_in:
                return in_lines(code, f"{self.declared(name, code)} = ", "", indent)
            return [" " * indent + instead] if instead else in_lines(code, "", "", indent)

        self._entries.append(render)

    def declared(self, name: str, code: Code) -> str:
        """A variable where it is set, with its type if nothing else tells that."""
        is_vague = "[]" in code.text or "{}" in code.text
        kind = {"object": "dict[str, Any]", "list": "list[Any]"}.get(code.kind) if is_vague else None
        return name if kind is None or self.variables[name].needs_start else f"{name}: {kind}"

    def when_read(self, name: str, action: Callable[[], None]) -> None:
        """Do something once a variable is read by what is read itself; :meth:`settle` does it."""
        if self.is_read(name):
            self._due.append(action)
        else:
            self._when_read[name] = action

    def settle(self) -> None:
        """Do what is due since variables are read."""
        while self._due:
            self._due.pop()()

    def reads_at(self, code: Code, guard: Guard, function: int) -> None:
        """Take note of what an expression uses that stands elsewhere."""
        here = self.guard, self.function
        self.guard, self.function = guard, function
        self.reads(code)
        self.guard, self.function = here

    def later(self, render: Callable[[], Iterable[str]]) -> None:
        """Lines that are made when all else is written; without their margin."""
        margin = " " * self.indent
        self._entries.append(lambda: [margin + line for line in render()])

    def before_block(self, text: str) -> None:
        """A line before the one that opened the block here; nothing else stands in it yet."""
        shown = " " * (self.indent - 4) + text
        self._entries.insert(len(self._entries) - 1, lambda: [shown])

    def mark(self, part: str) -> None:
        """Remember at which line the next line stands."""
        self._marked[len(self._entries)] = part

    def reads(self, code: Code) -> None:
        """Take note of what an expression uses."""
        for use in code.uses:
            if use[0] == "=":
                self.reads_variable(use[1:])
            elif use[0] == "~":
                self.is_never_set(use[1:])
            else:
                self.uses.add(use)

    def reads_variable(self, name: str) -> None:
        """Take note that a variable is read here."""
        use = self.variables.setdefault(name, Use())
        use.read_in.add(self.function)
        if name in self._when_read:
            self._due.append(self._when_read.pop(name))
        owner = self._guard_of(name)
        if owner is not None and not self.guard.is_within(owner):
            use.is_read_early = True

    def sets(self, name: str, function: int | None = None) -> None:
        """Take note that a variable is set here, or in another function."""
        use = self.variables.setdefault(name, Use())
        use.set_in.add(self.function if function is None else function)

    def is_never_set(self, name: str) -> None:
        """Take note that a variable is read, if at all, without having been set."""
        self.variables.setdefault(name, Use()).is_read_early = True

    def is_read(self, name: str) -> bool:
        """Whether anybody reads a variable; known at the end alone."""
        return name in self.variables and bool(self.variables[name].read_in)

    def render(self) -> list[str]:
        """All lines."""
        lines: list[str] = []
        for number, entry in enumerate(self._entries):
            if number in self._marked:
                self.marks[len(lines)] = self._marked[number]
            lines += entry()
        return lines

    # Blocks

    def go_to(self, guard: Guard, test: Callable[[Literal], Code]) -> None:
        """Close and open ``if`` until the next line stands where this guard holds."""
        path = guard.path()[self.base.depth :]
        same = 0
        while same < min(len(path), len(self._stack)) and path[same] == self._stack[same]:
            same += 1
        # Behind an else no other one can stand.
        closed = self._stack[same] if same < len(self._stack) and not self._by_else[same] else None
        self.indent -= 4 * (len(self._stack) - same)
        self._stack, self._by_else = path[:same], self._by_else[:same]
        self.guard = self.base
        for literal in self._stack:
            self.guard = self.guard.below(literal)
        for literal in path[same:]:
            is_else = closed is not None and literal == closed.opposite() and literal.kind != "ran"
            self._by_else.append(is_else)
            if is_else:
                self.line("else:")
            else:
                self.statement(test(literal), "if ", ":")
            closed = None
            self._stack.append(literal)
            self.guard = self.guard.below(literal)
            self.indent += 4

    def to_base(self) -> None:
        """Close all ``if`` of this place."""
        self.indent -= 4 * len(self._stack)
        self._stack, self._by_else = [], []
        self.guard = self.base

    def enter(self, base: Guard, function: int | None = None) -> Place:
        """Begin a loop or a function, whose lines stand one deeper; gives what :meth:`leave` takes."""
        kept = (self.base, self._stack, self._by_else, self.function)
        self.base = self.guard = base
        self._stack, self._by_else = [], []
        self.indent += 4
        if function is not None:
            self.function = function
        return kept

    def leave(self, kept: Place) -> None:
        """End it."""
        self.to_base()
        self.indent -= 4
        self.base, self._stack, self._by_else, self.function = kept
        self.guard = self.base
        for literal in self._stack:
            self.guard = self.guard.below(literal)
