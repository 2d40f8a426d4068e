"""The stub inside a play: finds the flow, waits for the gate, decodes the input, runs it, reports.

It runs in the play's own interpreter (Python 3.9 and newer), in its own process, confined; it is carried
there as a file like the SDK, and imports nothing of hero_logic. Nothing of the flow runs before the gate
opens, and the gate opens when the play is on record (docs/design/0005-processes.md).

Arguments: the directory of staged files, the flow's original path, the function to call, the seconds
that threads may linger, the descriptor of the gate, that of the result; and those of :func:`stand_guard`,
where there is something left to do for the play's isolation.
"""

from __future__ import annotations

import os
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_MAX_DEPTH = 200
_MAX_PLACE_CHARS = 60
_MAX_CHAIN = 20
_MAX_HOST_CHARS = 253
_MAX_PATH_CHARS = 4096
_DENIALS = (1, 2, 13, 30, 97, 101, 113)
"""EPERM ENOENT EACCES EROFS EAFNOSUPPORT ENETUNREACH EHOSTUNREACH, as Linux numbers them."""
_INPUT_NAME = "input.json"
_GATE_CLOSED = 75
_NOT_GUARDED = 76
_ENTERED = b"\0"
_BACKLOG = 64

try:
    from _json import encode_basestring_ascii as _quote
except ImportError:
    from json.encoder import py_encode_basestring_ascii as _quote


class Unfit(Exception):
    """Something that the one who wrote or called the flow must mend: told without a traceback."""


class Report:
    """The result's file: what the runtime reads when the process has ended."""

    def __init__(self, descriptor: int, gate: int) -> None:
        self._descriptor = descriptor
        self._gate = gate
        self._pid = os.getpid()
        self._files = [_file_id(descriptor), _file_id(gate)]

    def write(self, text: str) -> None:
        """Say how the flow ended, once; a forked child says nothing in its parent's name."""
        if os.getpid() != self._pid:
            return
        if _file_id(self._descriptor) != self._files[0]:
            sys.exit(f"The flow closed descriptor {self._descriptor}, by which its result is told.")
        data = text.encode("ascii")
        while data:
            data = data[os.write(self._descriptor, data) :]

    def announce_end(self, grace_s: float, status: int) -> None:
        """The flow is done: what lingers has the grace, and the supervisor knows."""
        if os.getpid() != self._pid:
            return
        end_lingering(grace_s, status)
        if _file_id(self._gate) == self._files[1]:
            os.write(self._gate, b"R")


def _file_id(descriptor: int) -> tuple[int, int]:
    """Which file a descriptor is; a flow may have closed ours, and the number be another file's by now."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return (-1, -1)
    return (status.st_dev, status.st_ino)


def encode_output(value: Any, place: str = "output", depth: int = 0) -> str:  # noqa: ANN401  # what a flow returns
    """A flow's returned value as strict JSON text, tuples as arrays.

    Raises:
        Unfit: something in it is not JSON; the message names the place.
    """
    if depth > _MAX_DEPTH:
        place = place[:_MAX_PLACE_CHARS] + "..."
        raise Unfit(f"{place} is nested deeper than {_MAX_DEPTH} levels (or holds itself).")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _encode_text(value, place)
    if isinstance(value, int):
        return _encode_int(value, place)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise Unfit(f"{place} is {value!r}, which JSON does not have.")
        return float.__repr__(value)
    if isinstance(value, dict):
        return _encode_object(value, place, depth)
    if isinstance(value, (list, tuple)):
        items = [encode_output(item, f"{place}[{number}]", depth + 1) for number, item in enumerate(value)]
        return "[" + ",".join(items) + "]"
    raise Unfit(f"{place} is of the type {type(value).__name__}, which JSON does not have.")


def _encode_int(value: int, place: str) -> str:
    try:
        return int.__repr__(value)
    except ValueError:
        raise Unfit(f"{place} is a whole number with too many digits to be written.") from None


def _encode_text(value: str, place: str) -> str:
    try:
        str.encode(value, "utf-8")
    except UnicodeEncodeError:
        raise Unfit(f"{place} is text with half a surrogate pair, which UTF-8 does not have.") from None
    return _quote(str.__str__(value))


def _encode_object(value: dict[Any, Any], place: str, depth: int) -> str:
    parts = []
    for key, item in value.items():
        if not isinstance(key, str):
            raise Unfit(
                f"{place} has the key {key!r:.80} of the type {type(key).__name__}; JSON keys are text."
            )
        inner = f"{place}[{key!r:.80}]"
        parts.append(f"{_encode_text(key, inner)}:{encode_output(item, inner, depth + 1)}")
    return "{" + ",".join(parts) + "}"


def module_name(path: str) -> str:
    """Under which name the flow is imported: its file's, where that hides no other module.

    So functions of the flow can be sent to other processes by name, its directory being on the path.
    """
    stem = os.path.splitext(os.path.basename(path))[0]
    taken = getattr(sys, "stdlib_module_names", ())
    if stem.isidentifier() and stem not in sys.modules and stem not in taken:
        return stem
    return "flow_" + "".join(c if c.isalnum() else "_" for c in stem)


def find_flow(module: types.ModuleType, function: str) -> Callable[..., Any]:
    """The flow of a module by the name of its function.

    Raises:
        Unfit: there is none of that name, or it is no flow.
    """
    found = vars(module).get(function)
    if found is None:
        raise Unfit(f"{function}() is not in the module once it has run; something removed it.")
    if not hasattr(found, "__hero_flow__") or not callable(found):
        raise Unfit(f"{function} is no flow once the module has run: it lost its @flow decorator.")
    return found  # type: ignore[no-any-return]  # callable is what was checked


def read_inputs(stage_dir: str, module: types.ModuleType) -> dict[str, Any]:
    """The input as it was staged (core/inputs.py); most flows that take none never import json.

    Raises:
        Unfit: a class of the flow refuses what it is to be made of.
    """
    path = os.path.join(stage_dir, _INPUT_NAME)
    if not os.path.exists(path):
        return {}
    import json

    with open(path, encoding="utf-8") as file:
        values = json.load(file)
    if isinstance(values, list):
        values, makings = values
        for keys, name, is_by_name in makings:
            _make(values, keys, vars(module).get(name), is_by_name)
    assert isinstance(values, dict)
    return values


def _make(values: Any, keys: list[Any], made: Any, is_by_name: bool) -> None:  # noqa: ANN401  # the flow's own
    """Put a member of an enumeration, or an instance of a dataclass, where what it is made of is."""
    for key in keys[:-1]:
        values = values[key]
    given = values[keys[-1]]
    try:
        if is_by_name:
            values[keys[-1]] = made[given]
        else:
            values[keys[-1]] = made(**given) if isinstance(given, dict) else made(given)
    except Exception as error:  # whatever the class raises: it does not take the value
        place = str(keys[0]) + "".join(f"[{key!r:.80}]" for key in keys[1:])
        raise Unfit(f"the input {place} is not taken: {type(error).__name__}: {error}") from error


def bind_inputs(flow: Callable[..., Any], values: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments to call the flow with; what the syntax tree could not tell is checked here.

    Raises:
        Unfit: a name or a value that the flow does not take.
    """
    function = getattr(flow, "__wrapped__", flow)
    code = getattr(function, "__code__", None)
    if code is None:
        return [], values
    positional_only = code.co_varnames[: code.co_posonlyargcount]
    if values:
        _check_hints(function, values)
    arguments = [values[name] for name in positional_only if name in values]
    named = {name: value for name, value in values.items() if name not in positional_only}
    return arguments, named


_SIMPLE = {str: "str", int: "int", float: "float", bool: "bool", list: "list", dict: "dict"}


def _check_hints(function: Callable[..., Any], values: dict[str, Any]) -> None:
    """Check values against annotations that are only names in the source, such as ``Age = int``."""
    hints = getattr(function, "__annotations__", {})
    names = getattr(function, "__globals__", {})
    for name, value in values.items():
        hint = hints.get(name)
        if isinstance(hint, str):
            hint = names.get(hint, hint)
        if not isinstance(hint, type) or hint not in _SIMPLE:
            continue
        is_bool = isinstance(value, bool)
        if hint is float and isinstance(value, int) and not is_bool:
            values[name] = float(value)
        elif not isinstance(value, hint) or (is_bool and hint is not bool):
            raise Unfit(f"the input {name} is {value!r:.80}, and the flow takes {_SIMPLE[hint]}.")


def run_flow(flow: Callable[..., Any], values: dict[str, Any]) -> Any:  # noqa: ANN401  # what a flow returns
    """Call the flow, an async one in an event loop of its own."""
    arguments, named = bind_inputs(flow, values)
    result = flow(*arguments, **named)
    if hasattr(result, "__await__"):
        import asyncio

        async def wait() -> Any:  # noqa: ANN401  # whatever the flow returns
            return await result

        return asyncio.run(wait())
    return result


def load_module(source: bytes, path: str) -> types.ModuleType:
    """Run the flow's module under its original path, from the bytes that were staged."""
    name = module_name(path)
    code = compile(source, path, "exec", dont_inherit=True)
    module = types.ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    exec(code, module.__dict__)  # noqa: S102  # it is what a play is for
    return module


def remember_source(source: bytes, path: str) -> None:
    """Let tracebacks show the flow's lines as they ran, wherever its file is now."""
    import linecache

    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = source.decode("latin-1")
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)


def report_exception(report: Report, error: BaseException) -> None:
    """Say what the flow raised: the line that a person needs first, then the traceback of its own code."""
    import traceback

    import hero_tracing

    head = "".join(traceback.format_exception_only(type(error), error)).strip()
    body = hero_tracing._traceback_text(error, play.__code__.co_filename)
    say(body)
    if isinstance(error, hero_tracing.flow.Failed):
        # A reason that the flow gave is all there is to tell.
        head, body = str(error.reason) or head, ""
    head, body = (text.encode("utf-8", "replace").decode() for text in (head, body))
    denied = denial(error)
    report.write(f'{{"outcome":"raised","error":{_quote(head)},"traceback":{_quote(body)}{denied}}}')


def denial(error: BaseException) -> str:
    """What an error, or the one that it came of, says was denied: a further key of the report, or "".

    Whether it was, and what would allow it, is for the runtime to find out (core/denials.py).
    """
    for _ in range(_MAX_CHAIN):
        if isinstance(error, OSError):
            facts = _facts_of(error)
            if facts:
                return f',"denied":{{{facts}}}'
        cause = error.__cause__ or error.__context__
        if cause is None:
            break
        error = cause
    return ""


def _facts_of(error: OSError) -> str:
    is_name = type(error).__name__ == "gaierror"
    if not is_name and error.errno not in _DENIALS:
        return ""
    if is_name or error.filename is None:
        host, port = _place_in(error)
        named = "true" if is_name else "false"
        return f'"errno":{int(error.errno or 0)},"is_name":{named},"host":{_quote(host)},"port":{port}'
    try:
        path = os.path.abspath(os.fsdecode(error.filename2 or error.filename))
        path.encode()
    except (TypeError, ValueError, OSError):
        # The number of a descriptor; a name that is no text; no working directory any more.
        return ""
    return f'"errno":{error.errno},"path":{_quote(path[:_MAX_PATH_CHARS])}'


def _place_in(error: BaseException) -> tuple[str, int]:
    """The host and the port that an error of the network is about: what the functions were called with."""
    host = ""
    port: object = 0
    step = error.__traceback__
    while step is not None:
        found = step.tb_frame.f_locals
        name = step.tb_frame.f_code.co_name
        if name == "create_connection" and isinstance(found.get("address"), tuple):
            found = dict(zip(("host", "port"), found["address"]))
        if name in ("create_connection", "getaddrinfo") and isinstance(found.get("host"), str):
            host, port = found["host"][:_MAX_HOST_CHARS], found.get("port", 0)
        step = step.tb_next
    number = port if isinstance(port, int) and 0 < port < 65536 else 0
    return host.encode("ascii", "replace").decode(), number


def say(text: str) -> None:
    """Write to standard error, if the flow has left one."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return


def end_lingering(grace_s: float, status: int) -> None:
    """End the process when the grace is over, if threads or exit handlers still hold it then."""
    import _thread
    import time

    has_begun = _thread.allocate_lock()
    has_begun.acquire()

    def wait() -> None:
        has_begun.release()
        time.sleep(grace_s)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                continue
        os._exit(status)

    try:
        _thread.start_new_thread(wait, ())
    except RuntimeError:
        # No thread is to be had; the supervisor ends the process a moment later instead.
        return
    # A thread that only begins while the interpreter ends would abort the process, which ended well.
    has_begun.acquire()


def extend_path(sdk_dir: str, flow_dir: str) -> None:
    """Make the SDK importable, and the modules beside the flow.

    Those come after the standard library and before installed packages: a flow that is called json.py, or
    has a random.py beside it, must not take the place of what we and the SDK import.
    """
    installed = ("site-packages", "dist-packages")
    place = next((n for n, entry in enumerate(sys.path) if entry.endswith(installed)), len(sys.path))
    sys.path.insert(place, flow_dir)
    sys.path.insert(0, sdk_dir)


def exit_status(stop: SystemExit) -> int:
    """The status with which the interpreter will end for it."""
    if stop.code is None:
        return 0
    return stop.code & 0xFF if isinstance(stop.code, int) else 1


def wait_for_gate(gate: int) -> None:
    """Wait until the play is on record; end quietly if the runtime gives it up."""
    if os.read(gate, 1) != b"G":
        os._exit(_GATE_CLOSED)


def take_own_input() -> None:
    """Have standard input be the device that the play sees.

    It was opened outside: through it root, who owns the device, could change its mode for the whole host.
    """
    own = os.open("/dev/null", os.O_RDONLY)
    if own:
        os.dup2(own, 0)
        os.close(own)


def write_line_by_line() -> None:
    """Let no line that was printed wait in a buffer that dies with the process."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what the interpreter opened
        except (AttributeError, OSError, ValueError):
            continue


def stand_guard(words: list[str]) -> None:
    """Do what bubblewrap cannot do for a play; returns in a process of its own, which is the play's.

    This one is pid 1 of the play's world: it limits the play's processes, where the kernel counts those of
    this world alone, starts the play's, and stays to take in orphans, to pass on SIGTERM, and to tell how
    the play ended. Standard error leads to the runtime until the play's process says its word there.

    The words: the descriptor by which the runtime is told, as a socket; those of what is to be standard
    output and error; how many processes there may be, or 0 where nothing limits them; then ``ADDRESS:PORT``
    of each socket that is to listen here, and to be accepted outside (runner/sandbox/doors.py).
    """
    import _signal  # type: ignore[import-not-found]  # the half of signal that takes no time to load
    import resource  # before the fork: what is loaded behind it costs three times as much

    channel, stdout, stderr, processes = map(int, words[:4])
    # A SIGTERM waits until there is somebody to pass it on to: pid 1 without a handler would never get it.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGTERM])
    try:
        _make_doors(channel, words[4:])
        pid = os.fork()
        if pid == 0:
            os.setsid()
            if processes:
                _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
                bound = processes if hard == resource.RLIM_INFINITY else min(processes, hard)
                resource.setrlimit(resource.RLIMIT_NPROC, (bound, bound))
            os.close(channel)
            os.write(2, _ENTERED)
            for number, descriptor in ((1, stdout), (2, stderr)):
                os.dup2(descriptor, number)
                os.close(descriptor)
    except (OSError, ValueError) as error:
        os.write(2, f"the guard inside: {error}\n".encode())
        os._exit(_NOT_GUARDED)
    if pid:
        _see_to_the_end(pid, channel)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGTERM])


def _make_doors(channel: int, doors: list[str]) -> None:
    """Make the sockets that are accepted outside, hand them over, keep none."""
    if not doors:
        return
    import _socket

    made = []
    for door in doors:
        address, _, port = door.rpartition(":")
        listener = _socket.socket(_socket.AF_INET6 if ":" in address else _socket.AF_INET)
        made.append(listener)
        listener.bind((address, int(port)))
        listener.listen(_BACKLOG)
    packed = b"".join(listener.fileno().to_bytes(4, sys.byteorder) for listener in made)
    runtime = _socket.socket(fileno=channel)
    runtime.sendmsg([b"D"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])
    runtime.detach()
    for listener in made:
        listener.close()


def _see_to_the_end(pid: int, channel: int) -> None:
    """Reap whatever ends until the play does; tell how, and end, and all that is left with it."""
    import _signal

    def pass_on(*_: object) -> None:
        for number in (_signal.SIGTERM, _signal.SIGCONT):
            try:
                os.killpg(pid, number)
            except ProcessLookupError:
                return

    exit_code = 1
    try:
        # What the play has is the play's: the ends of its pipes must close when it closes them.
        os.closerange(0, channel)
        os.closerange(channel + 1, os.sysconf("SC_OPEN_MAX"))
        _signal.signal(_signal.SIGTERM, pass_on)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGTERM])
        while True:
            ended, wait_status = os.waitpid(-1, 0)
            if ended == pid:
                os.write(channel, wait_status.to_bytes(4, "little"))
                exit_code = 0
                return
    finally:
        os._exit(exit_code)


def play(arguments: list[str]) -> int:
    """Run the flow; give the exit status of the process."""
    stage_dir, path, function, grace, gate_number, result_number, *guard = arguments
    if guard:
        stand_guard(guard)
    take_own_input()
    gate = int(gate_number)
    report = Report(int(result_number), gate)
    extend_path(os.path.join(stage_dir, "sdk"), os.path.dirname(path))
    sys.argv[:] = [path]
    # Processes that the flow starts with multiprocessing must not run this stub again.
    del sys.modules["__main__"].__file__
    with open(os.path.join(stage_dir, "flow.py"), "rb") as file:
        source = file.read()
    write_line_by_line()
    import hero_tracing  # noqa: F401  # it connects before the gate opens, while there is time

    compile(
        "", path, "exec"
    )  # what the compiler makes of itself when it is first called takes 2 ms: now, too
    wait_for_gate(gate)
    try:
        module = load_module(source, path)
        flow = find_flow(module, function)
        output = encode_output(run_flow(flow, read_inputs(stage_dir, module)))
    except Unfit as error:
        report.write(f'{{"outcome":"unfit","error":{_quote(str(error))}}}')
        say(f"{error}\n")
        report.announce_end(float(grace), 1)
        return 1
    except SystemExit as stop:
        report.announce_end(float(grace), exit_status(stop))
        raise
    except BaseException as error:  # noqa: BLE001  # whatever the flow raises is its end, and is told
        remember_source(source, path)
        report_exception(report, error)
        report.announce_end(float(grace), 1)
        return 1
    report.write(f'{{"outcome":"returned","output":{output}}}')
    report.announce_end(float(grace), 0)
    return 0


if __name__ == "__main__":
    sys.exit(play(sys.argv[1:]))
