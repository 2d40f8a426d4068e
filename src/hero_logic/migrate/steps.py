"""The statements of a flow: steps, tries, tasks, loops."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hero_logic.migrate.body import FLOW, Body
from hero_logic.migrate.code import COMPARISON, Code, as_comment, call, chained, constant, in_lines, quoted
from hero_logic.migrate.graph import members
from hero_logic.migrate.plan import Loop, Task, first_node, loop_guard
from hero_logic.migrate.values import opposite
from hero_logic.migrate.works import Works

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hero_logic.migrate.guards import Guard, Literal
    from hero_logic.migrate.names import Names
    from hero_logic.migrate.plan import Item, Plan, Region
    from hero_logic.migrate.values import Values
    from hero_logic.migrate.workflow import Edge, Workflow


class Steps:
    """Writes the nodes of a workflow into a body.

    Attributes:
        body: the lines.
        works: what the nodes do.
    """

    def __init__(
        self,
        workflow: Workflow,
        plan: Plan,
        values: Values,
        names: Names,
        known: Mapping[str, str],
        here: Sequence[str],
    ) -> None:
        self.workflow = workflow
        self.plan = plan
        self.values = values
        self.names = names
        self.body = Body(plan.guards.root, self.owner_guard)
        self.works = Works(workflow, values, names, self.body, known, here)
        self.handles: dict[int, str] = {}
        self.is_first = True  # of its task: a task that begins has just been checked
        self.comments = _edge_comments(workflow)
        self.tangled: dict[int, list[Edge]] = {}
        for edge in plan.tangled:
            self.tangled.setdefault(edge.source, []).append(edge)
        self.open_loops: list[Loop] = []
        self.counters: dict[str, str] = {}
        self.places: dict[int, tuple[Guard, int]] = {}
        self.ready_inputs: dict[int, Code] = {}

    def owner_guard(self, name: str) -> Guard | None:
        """Where a variable of a node is set."""
        node = self.values.owner.get(name)
        return None if node is None else self.plan.guards.of[node]

    # Regions

    def region(self, region: Region) -> None:
        """Write the items of a region; what holds at the end is what held at its beginning."""
        body = self.body
        for line in region.lines:
            if isinstance(line, Task):
                body.to_base()
                self.task(line)
                continue
            if line.waits:
                body.to_base()
                self.wait_for(line.waits)
            self.item(line.item)
        body.to_base()
        if region.last:
            self.wait_for(region.last)

    def wait_for(self, tasks: list[Task]) -> None:
        """Wait for tasks, which have begun, or begin together now."""
        function = "together" if self.plan.is_staged else "together.wait"
        self.body.statement(call(function, *(Code(self.handles[id(task)]) for task in tasks)))

    def item(self, item: Item) -> None:
        """Write a node or a loop where its guard holds."""
        if isinstance(item, Loop):
            self.body.go_to(loop_guard(item, self.plan.guards), lambda literal: self.test(literal, -1))
            self.loop(item)
            return
        guard = self.plan.guards.of[item]
        assert guard is not None
        self.body.go_to(guard, lambda literal: self.test(literal, item))
        self.node(item)

    def test(self, literal: Literal, node: int) -> Code:
        """What an ``if`` for a literal asks."""
        if literal.kind == "ran" and literal.node == node:
            return self.values.any_taken(node, self._parent_of(node))
        return self.values.holds(literal)

    def _parent_of(self, node: int) -> Guard:
        guard = self.plan.guards.of[node]
        assert guard is not None
        assert guard.parent is not None
        return guard.parent

    def task(self, task: Task) -> None:
        """Write a task: a function that starts when those before it are done, or all of its group at once."""
        body = self.body
        first = first_node(task.items[0])
        handle = self.names.unique(f"do_{self.values.variables[first].output}")
        self.handles[id(task)] = handle
        body.line("")
        if not self.plan.is_staged:
            after = [Code(self.handles[id(before)]) for before in task.after]
            body.statement(call("together.start", *after), "@")
        body.line(f"def {handle}() -> None:")
        function = len(self.handles)
        kept = body.enter(body.base, function)
        body.later(lambda: self.shared_names(function))
        was_first, self.is_first = self.is_first, True
        for item in task.items:
            self.item(item)
        body.leave(kept)
        self.is_first = was_first
        body.line("")

    def shared_names(self, function: int) -> list[str]:
        """The variables that a task sets for others."""
        uses = self.body.variables
        names = [
            name for name, use in uses.items() if function in use.set_in and use.needs_start and use.read_in
        ]
        return [f"nonlocal {', '.join(sorted(names))}"] if names else []

    # Loops

    def loop(self, loop: Loop) -> None:
        """Write a loop: as long as its retry edges say so, and not more often than they may."""
        body = self.body
        assert loop.region is not None
        if self.open_loops:
            body.line("while True:")
        else:
            self.begin_loops([loop, *loops_in(loop.region)])
            retries = loop.edges[0].max_retries
            times = "once" if retries == 1 else f"{retries} times"
            plain = f"for _ in range({retries + 1}):  # it goes back at most {times}"
            body.line(plain if len(loop.edges) == 1 else "while True:")
        self.open_loops.append(loop)
        kept = body.enter(body.guard)
        was_first, self.is_first = self.is_first, False
        if len(loop.edges) == 1:
            body.later(lambda: self.resets(loop.nodes))
            self.region(loop.region)
            self.retry(loop.edges[0])
        else:
            self.overlapping(loop)
        self.is_first = was_first and not body.function
        body.leave(kept)
        self.open_loops.pop()

    def begin_loops(self, loops: list[Loop]) -> None:
        """What stands before an outermost loop: what retry edges give, and how often they were taken."""
        body = self.body
        for number, edge in enumerate(edge for loop in loops for edge in loop.edges):
            again = self.values.again(edge.target).text
            if again not in body.variables or not body.variables[again].set_in:
                body.sets(again)
                body.line(f"{again}: dict[str, Any] = {{}}")
            if number or len(loops[0].edges) > 1:
                name = self.names.unique(f"{self.values.variables[edge.source].output}_retries")
                self.counters[edge.pointer] = name
                body.line(f"{name} = 0")

    def overlapping(self, loop: Loop) -> None:
        """Write a loop of several retry edges: some nodes run again, the others keep what they have."""
        body, graph = self.body, self.plan.graph
        assert loop.region is not None
        ends = list(dict.fromkeys(edge.target for edge in loop.edges))
        parts: dict[str, list[int]] = {}
        for line in loop.region.lines:
            assert not isinstance(line, Task)
            node = first_node(line.item)
            rerun_by = loop.rerun_by(graph, node)
            if len(rerun_by) < len(ends):
                parts[self.workflow.nodes[node].node_id] = rerun_by
        due = self.names.unique("due")
        if parts:
            body.before_block(f"{due} = {_set_of(list(parts))}")
        for line in loop.region.lines:
            assert not isinstance(line, Task)
            node = first_node(line.item)
            nodes = 1 << line.item if isinstance(line.item, int) else line.item.nodes
            node_id = self.workflow.nodes[node].node_id
            body.to_base()
            is_sometimes = node_id in parts
            if is_sometimes:
                body.line(f"if {quoted(node_id)} in {due}:")
                kept = body.enter(body.guard)
                body.line(f"{due}.remove({quoted(node_id)})")
            body.later(lambda nodes=nodes: self.resets(nodes))  # type: ignore[misc]  # a default is a value
            self.item(line.item)
            body.to_base()
            self.go_back(loop, node, due, parts)
            if is_sometimes:
                body.leave(kept)
        body.line("break")

    def go_back(self, loop: Loop, handler: int, due: str, parts: dict[str, list[int]]) -> None:
        """Go through a loop once more, if a retry edge of this handler says so.

        What is due then: what depends on where the edge leads, and what was due behind here and did not run
        yet.
        """
        body, graph = self.body, self.plan.graph
        edges = [edge for edge in loop.edges if edge.source == handler]
        if not edges:
            return
        again = self.names.unique("goes_back") if len(edges) > 1 else ""
        if again:
            body.line(f"{again} = False")
        for edge in edges:
            counter = self.counters[edge.pointer]
            test = chained("and", [*self.fires(edge), Code(f"{counter} < {edge.max_retries}", COMPARISON)])
            body.statement(test, "if ", ":")
            body.indent += 4
            body.line(f"{counter} += 1")
            self.give_again(edge)
            again_due = (graph.descendants[edge.target] | 1 << edge.target) & loop.nodes
            body.later(partial(self.unfinished, again_due))
            dependent = [node_id for node_id, rerun_by in parts.items() if edge.target in rerun_by]
            if dependent:
                body.line(f"{due} |= {_set_of(dependent)}")
            body.line(f"{again} = True" if again else "continue")
            body.indent -= 4
        if again:
            body.line(f"if {again}:")
            body.line("    continue")

    def give_again(self, edge: Edge) -> None:
        """What a retry edge gives."""
        body = self.body
        name = self.values.again(edge.target).text
        given, is_object = self.values.given(edge)
        if edge.mapping == {}:
            return
        body.sets(name)
        body.statement(given if is_object else call("merged", given), f"{name} |= ")

    def resets(self, nodes: int) -> list[str]:
        """What has to be forgotten before some nodes run again."""
        lines = []
        for name, node in self.values.owner.items():
            use = self.body.variables.get(name)
            if nodes >> node & 1 and use is not None and use.read_in and use.is_read_early:
                found = self.values.variables[node]
                if name in (found.output, found.failed, found.ran):
                    lines.append(f"{name} = {'None' if name == found.output else 'False'}")
        return lines + self.unfinished(nodes)

    def retry(self, edge: Edge) -> None:
        """Leave the loop, or go once more through it with what the retry edge gives."""
        body = self.body
        counter = self.counters.get(edge.pointer, "")
        tests = self.fires(edge)
        if counter:
            tests.append(Code(f"{counter} < {edge.max_retries}", COMPARISON))
        if tests:
            body.statement(opposite(chained("and", tests)), "if ", ":")
            body.line("    break")
        if counter:
            body.line(f"{counter} += 1")
        self.give_again(edge)

    def fires(self, edge: Edge) -> list[Code]:
        """What has to be true for a retry edge to be taken: its handler finished, and its condition."""
        if self.plan.guards.of[edge.source] is None:
            return [constant(False)]
        test = self.values.taken(edge, self.body.guard)
        return [] if test is None else [test]

    # Nodes

    def node(self, number: int) -> None:
        """Write a node: its inputs, its tries, its step."""
        body = self.body
        node = self.workflow.nodes[number]
        for text in self.comments.get(number, []):
            body.line(text)
        for key, value, _ in node.kept:
            body.line(as_comment(key, value))
        is_checked = body.function != FLOW and not self.is_first and not node.is_instant
        self.is_first = False
        if is_checked and not node.retry_count:
            body.line("together.check()")
        self.inputs(number)
        if not self.values.shapes[number].is_something:
            ran = self.values.ran(number).text
            body.sets(ran)
            body.later(lambda: [f"{ran} = True"] if body.is_read(ran) else [])
        tries = 0 if node.is_instant else node.retry_count
        if not tries and not self.plan.guards.fails[number] and (node.is_instant or not node.continues):
            self.step(number)
        else:
            self.tries(number, tries, is_checked=is_checked)
        for edge in self.tangled.get(number, []):
            self.refuse(edge)

    def inputs(self, number: int) -> None:
        """Where the inputs are put together, if anybody asks for them."""
        variables = self.values.variables[number]
        body = self.body
        indent, guard, function = body.indent, body.guard, body.function

        def render() -> list[str]:
            code = self.ready_inputs.get(number)
            if code is None:
                return []
            return [line[indent:] for line in in_lines(code, f"{variables.inputs} = ", "", indent)]

        self.places[number] = (guard, function)
        body.later(render)

    def finish_inputs(self) -> None:
        """Put together the inputs of all nodes that are asked for, and of those that they ask for."""
        body, values = self.body, self.values
        body.settle()
        while values.wanted:
            number = values.wanted.pop()
            body.when_read(values.variables[number].inputs, partial(self.put_inputs, number))
            body.settle()

    def put_inputs(self, number: int) -> None:
        """Put together the inputs of a node where it stands, if it does."""
        if number not in self.places:
            return
        code = self.values.all_inputs(number)
        guard, function = self.places[number]
        self.body.reads_at(code, guard, function)
        self.body.sets(self.values.variables[number].inputs, function)
        self.ready_inputs[number] = code

    def tries(self, number: int, retries: int, *, is_checked: bool) -> None:
        """A step that is tried again, or whose failure is not that of the workflow."""
        body, node = self.body, self.workflow.nodes[number]
        is_fatal = not node.continues and not self.plan.guards.fails[number]
        if retries:
            body.line(f"for {'attempt' if is_fatal else '_'} in range({retries + 1}):")
            body.indent += 4
            if is_checked:
                body.line("together.check()")
        body.line("try:")
        body.indent += 4
        self.step(number)
        if self.plan.guards.fails[number]:
            self._flag(number, "False")
        if retries:
            body.line("break")
        body.indent -= 4
        self._caught(number, is_fatal=is_fatal, retries=retries)
        if retries:
            body.indent -= 4

    def _flag(self, number: int, value: str) -> None:
        name = self.values.failed(number).text
        self.body.sets(name)
        self.body.later(lambda: [f"{name} = {value}"] if self.body.is_read(name) else [])

    def _caught(self, number: int, *, is_fatal: bool, retries: int) -> None:
        body = self.body
        if is_fatal:
            body.line("except Exception:")
            body.line(f"    if attempt == {retries}:")
            body.line("        raise")
            return
        name = self.values.variables[number].output
        fails = self.plan.guards.fails[number]
        flag = self.values.failed(number).text if fails else ""
        body.uses.add("message")

        def render() -> list[str]:
            lines = []
            if body.is_read(name):
                lines.append(f'    {name} = {{"error": message(error)}}')
            if self.workflow.nodes[number].continues:
                lines += [f"    {line}" for line in self.finished(number)]
            if flag and body.is_read(flag):
                lines.append(f"    {flag} = True")
            head = "except Exception as error:" if body.is_read(name) else "except Exception:"
            return [head, *(lines or ["    pass"])]

        body.later(render)

    def step(self, number: int) -> None:
        """The step itself."""
        body, node = self.body, self.workflow.nodes[number]
        body.mark(node.node_id)
        body.statement(
            call("flow.step", Code(quoted(node.name)), named=[("node_id", Code(quoted(node.node_id)))]),
            "with ",
            ":",
        )
        body.indent += 4
        self.works.write(number, node)
        body.indent -= 4
        body.later(lambda: self.finished(number))

    def finished(self, number: int) -> list[str]:
        """Where somebody asks for all nodes: this one has finished."""
        name, node_id = self.values.variables[number].output, self.workflow.nodes[number].node_id
        return [f"nodes[{quoted(node_id)}] = {name}"] if self.values.asks_all else []

    def unfinished(self, nodes: int) -> list[str]:
        """The same: these have not."""
        node_ids = [quoted(self.workflow.nodes[number].node_id) for number in members(nodes)]
        return [f"nodes.pop({node_id}, None)" for node_id in node_ids] if self.values.asks_all else []

    def refuse(self, edge: Edge) -> None:
        """Fail where a retry edge that is left to a person would run something again."""
        body = self.body
        tests = self.fires(edge)
        if tests:
            body.statement(chained("and", tests), "if ", ":")
        says = "a retry edge of the workflow was not migrated: see the report"
        body.indent += 4 if tests else 0
        body.statement(call("RuntimeError", constant(says)), "raise ")
        body.indent -= 4 if tests else 0


def _set_of(words: list[str]) -> str:
    return "{" + ", ".join(map(quoted, words)) + "}"


def loops_in(region: Region) -> list[Loop]:
    """All loops inside of a region, however deep."""
    found: list[Loop] = []
    left = [region]
    while left:
        for line in left.pop().lines:
            for item in line.items if isinstance(line, Task) else [line.item]:
                if isinstance(item, Loop):
                    assert item.region is not None
                    found.append(item)
                    left.append(item.region)
    return found


def _edge_comments(workflow: Workflow) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for edge in workflow.edges:
        for key, value, _ in edge.kept:
            found.setdefault(edge.target, []).append(as_comment(key, value))
    return found
