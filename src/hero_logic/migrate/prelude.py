"""What a flow needs of the workflows' language and Python does not have: functions that are written into the
flow's own file, and only those that it calls.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A function of the prelude: its source, and what it calls and imports itself."""

    source: str
    calls: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


PIECES = {
    "run": Piece(
        '''\
def run(script: Any, inputs: Any) -> Any:
    """What a script makes of a copy of its inputs, as JSON."""
    output = script(json.loads(json.dumps(inputs)))
    return json.loads(json.dumps(output, allow_nan=False))
''',
        imports=("json", "Any"),
    ),
    "run_to_exit": Piece(
        '''\
def run_to_exit(script: Any, inputs: Any) -> Any:
    """What a script makes of a copy of its inputs, as JSON; sys.exit() ends its step alone."""
    try:
        output = script(json.loads(json.dumps(inputs)))
    except SystemExit as stop:
        raise RuntimeError("the script wanted to end its process") from stop
    return json.loads(json.dumps(output, allow_nan=False))
''',
        imports=("json", "Any"),
    ),
    "run_module": Piece(
        '''\
def run_module(source: str, inputs: Any) -> Any:
    """What a script makes of a copy of its inputs, as JSON; it is run as a module of its own."""
    names: dict[str, Any] = {"__name__": "__main__"}
    names["inputs"] = json.loads(json.dumps(inputs))
    try:
        exec(compile(source, "<script>", "exec", dont_inherit=True), names)
    except SystemExit as stop:
        raise RuntimeError("the script wanted to end its process") from stop
    if "output" not in names:
        raise NameError("name 'output' is not defined")
    return json.loads(json.dumps(names["output"], allow_nan=False))
''',
        imports=("json", "Any"),
    ),
    "message": Piece(
        '''\
def message(error: BaseException) -> str:
    """An error as Python prints it: its type and its text."""
    if isinstance(error.__cause__, SystemExit):
        error = error.__cause__
    lines = traceback.format_exception_only(type(error), error)
    return next(line for line in lines if not line.startswith(" ")).rstrip()
''',
        imports=("traceback",),
    ),
    "at": Piece(
        '''\
def at(value: Any, *path: Any) -> Any:
    """What stands at a path of keys and indexes; None where nothing does."""
    for key in path:
        if isinstance(value, dict):
            value = value.get(str(key))
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value
''',
        imports=("Any",),
    ),
    "shown": Piece(
        '''\
def shown(value: Any) -> str:
    """A value as it stands in a text: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
''',
        imports=("json", "Any"),
    ),
    "merged": Piece(
        '''\
def merged(*parts: Any) -> dict[str, Any]:
    """One dict of those parts that are dicts; the last one to have a key counts."""
    dicts = [part for part in parts if isinstance(part, dict)]
    return {key: value for part in dicts for key, value in part.items()}
''',
        imports=("Any",),
    ),
    "same": Piece(
        '''\
def same(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON, where True is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return bool(one == other)
''',
        imports=("Any",),
    ),
    "ordered": Piece(
        '''\
def ordered(one: Any, other: Any) -> bool:
    """Whether two values have an order: two numbers, or two texts."""
    if isinstance(one, str) and isinstance(other, str):
        return True
    kinds = {type(one), type(other)}
    return kinds <= {int, float}
''',
        imports=("Any",),
    ),
    "less": Piece(
        '''\
def less(one: Any, other: Any) -> bool:
    """Whether one is less than the other; False for what has no order."""
    return ordered(one, other) and bool(one < other)
''',
        calls=("ordered",),
        imports=("Any",),
    ),
    "at_most": Piece(
        '''\
def at_most(one: Any, other: Any) -> bool:
    """Whether one is at most the other; False for what has no order."""
    return ordered(one, other) and bool(one <= other)
''',
        calls=("ordered",),
        imports=("Any",),
    ),
    "contains": Piece(
        '''\
def contains(holder: Any, part: Any) -> bool:
    """Whether a text has a part, a list an item, or a dict a key."""
    if isinstance(holder, list):
        return any(same(item, part) for item in holder)
    return isinstance(holder, (str, dict)) and isinstance(part, str) and part in holder
''',
        calls=("same",),
        imports=("Any",),
    ),
    "finished": Piece(
        '''\
def finished(outputs: dict[str, Any]) -> dict[str, Any]:
    """Of some steps those that have an output."""
    return {node_id: output for node_id, output in outputs.items() if output is not None}
''',
        imports=("Any",),
    ),
    "parsed": Piece(
        '''\
def parsed(text: str) -> Any:
    """The value of a JSON text; NaN is none."""
    value = json.loads(text)
    json.dumps(value, allow_nan=False)
    return value
''',
        imports=("json", "Any"),
    ),
    "whole": Piece(
        '''\
def whole(name: str, value: Any) -> None:
    """Refuse what is not a whole number; 2.0 is one."""
    if isinstance(value, float) and not value.is_integer():
        raise TypeError(f"the input {name} has to be a whole number, not {value}")
''',
        imports=("Any",),
    ),
    "taken": Piece(
        '''\
def taken(given: dict[str, Any], **inputs: tuple[Any, bool, Any]) -> dict[str, Any]:
    """Inputs that no parameter can have; each with its types, whether it has to be there, and its default."""
    found: dict[str, Any] = {}
    for name in given:
        if name not in inputs:
            raise TypeError(f"there is no input {name!r}")
    for name, (kinds, required, default) in inputs.items():
        if name in given:
            found[name] = given[name]
            if type(found[name]) not in kinds:
                raise TypeError(f"the input {name!r} has the wrong type")
        elif required:
            raise TypeError(f"the input {name!r} is missing")
        elif default:
            found[name] = default[0]
    return found
''',
        imports=("Any",),
    ),
    "in_thread": Piece(
        '''\
def in_thread(work: Any, *arguments: Any) -> Future[Any]:
    """Begin some work in a thread of its own; what lingers of it ends with the play."""
    result: Future[Any] = Future()

    def do_it() -> None:
        try:
            result.set_result(work(*arguments))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=do_it, daemon=True).start()
    return result
''',
        imports=("threading", "Any", "Future"),
    ),
    "within": Piece(
        '''\
def within(limit_s: float, work: Any, *arguments: Any) -> Any:
    """What some work gives within so many seconds; a thread that takes longer is left alone."""
    result = in_thread(work, *arguments)
    wait([result], limit_s)
    if not result.done():
        raise TimeoutError(f"it took longer than {limit_s} s")
    return result.result()
''',
        calls=("in_thread",),
        imports=("Any", "wait"),
    ),
    "together": Piece(
        '''\
def together(*works: Callable[[], None]) -> None:
    """Do some work at the same time, and wait for all of it or for the first error, which is raised."""
    results = [in_thread(work) for work in works]
    wait(results, return_when=FIRST_EXCEPTION)
    for result in results:
        if result.done():
            result.result()
''',
        calls=("in_thread",),
        imports=("Callable", "FIRST_EXCEPTION", "wait"),
    ),
    "play": Piece(
        '''\
def play(workflow: Any, inputs: dict[str, Any]) -> Any:
    """The output of another flow; inputs that it does not take fail it before it begins."""
    parameters = signature(workflow).parameters
    for name, value in inputs.items():
        if name in parameters:
            kind = parameters[name].annotation
            kinds = get_args(kind) if isinstance(kind, UnionType) else [kind]
            if type(value) not in [get_origin(kind) or kind for kind in kinds]:
                raise TypeError(f"the input {name} has the wrong type: {value!r}")
    return workflow(**inputs)
''',
        imports=("Any", "signature", "get_args", "get_origin", "UnionType"),
    ),
    "Together": Piece(
        '''\
Work = Callable[[], None]


class Together:
    """Work in threads of its own, each begun when what it waits for is done.

    The first failure is the failure of all: nothing begins after it, nobody waits for the
    rest, and what still runs ends with the play.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.failure: BaseException | None = None
        self.done: set[Work] = set()
        self.waiting: list[tuple[Work, tuple[Work, ...]]] = []

    def start(self, *after: Work) -> Callable[[Work], Work]:
        """Let a function run as soon as some others are done."""

        def begin(work: Work) -> Work:
            with self.changed:
                self.waiting.append((work, after))
                self.begin_ready()
            return work

        return begin

    def begin_ready(self) -> None:
        """Begin whatever waits for nothing any more."""
        ready = [item for item in self.waiting if self.done.issuperset(item[1])]
        self.waiting = [item for item in self.waiting if item not in ready]
        for work, _ in ready:
            threading.Thread(target=self.run, args=(work,), daemon=True).start()

    def run(self, work: Work) -> None:
        """Do it; in a thread of its own."""
        try:
            self.check()
            work()
        except BaseException as error:
            with self.changed:
                self.failure = self.failure or error
                self.changed.notify_all()
        else:
            with self.changed:
                self.done.add(work)
                self.begin_ready()
                self.changed.notify_all()

    def check(self) -> None:
        """Go no further where something has failed."""
        if self.failure:
            raise self.failure

    def wait(self, *works: Work) -> None:
        """Wait for some of it."""
        with self.changed:
            self.changed.wait_for(lambda: self.failure or self.done.issuperset(works))
        self.check()
''',
        imports=("threading", "Callable"),
    ),
}
"""By the name under which it is called."""

IMPORTS = {
    "json": "import json",
    "threading": "import threading",
    "time": "import time",
    "traceback": "import traceback",
    "Any": "from typing import Any",
    "no_type_check": "from typing import no_type_check",
    "get_args": "from typing import get_args",
    "get_origin": "from typing import get_origin",
    "Callable": "from collections.abc import Callable",
    "FIRST_EXCEPTION": "from concurrent.futures import FIRST_EXCEPTION",
    "Future": "from concurrent.futures import Future",
    "wait": "from concurrent.futures import wait",
    "signature": "from inspect import signature",
    "UnionType": "from types import UnionType",
}
"""Where the names come from that a flow's file imports."""

ABSENT = 'ABSENT: Any = type("Absent", (), {"__repr__": lambda _: "absent"})()'

RESERVED = frozenset(
    [
        *PIECES,
        *IMPORTS,
        *[
            "Work",
            "flow",
            "inputs",
            "others",
            "attempt",
            "error",
            "ended",
            "ABSENT",
            "nodes_so_far",
        ],
        *[
            "bool",
            "range",
            "Exception",
            "SystemExit",
            "isinstance",
            "RuntimeError",
            "len",
            "next",
            "iter",
            "dict",
            "lambda",
        ],
    ]
)
"""Names that nothing of a workflow may take in its flow's file."""


def needed(uses: set[str]) -> tuple[list[str], set[str]]:
    """The functions that a file has to have, in the order of the prelude, and the names that it imports."""
    names = set(uses) & set(PIECES)
    left = list(names)
    while left:
        for name in PIECES[left.pop()].calls:
            if name not in names:
                names.add(name)
                left.append(name)
    imports = {name for piece in names for name in PIECES[piece].imports} | (uses & set(IMPORTS))
    return [name for name in PIECES if name in names], imports


def import_lines(names: set[str]) -> list[str]:
    """The imports of the standard library, sorted as tools sort them."""
    plain = sorted(IMPORTS[name] for name in names if IMPORTS[name].startswith("import "))
    grouped: dict[str, list[str]] = {}
    for name in names:
        if IMPORTS[name].startswith("from "):
            grouped.setdefault(IMPORTS[name].split()[1], []).append(name)
    return plain + [
        f"from {module} import {', '.join(sorted(grouped[module], key=_import_order))}"
        for module in sorted(grouped)
    ]


def _import_order(name: str) -> tuple[bool, bool, str]:
    return not name.isupper(), name[0].islower(), name
