"""A play that begins in a process that was forked for it, in an interpreter that was there before.

:func:`load` runs once, in the spawner; :func:`get_ready` in each process that will be a play, while none is
known; :func:`begin` in the play, confined by then, with nothing of the spawner on the stack. From there on
the interpreter is to look as if it had been started for this play: the same modules, arguments, environment,
streams and signals. Laws:

1. What is loaded before a fork is the same for every play, and knows of none.
2. Nothing of ours can be imported in a play, and nothing of another play is in its memory.
3. What the SDK looks at when it is imported (the environment, the clock) it looks at again when the play
   begins: between the two there may be a minute.

What stays different: the seed of ``hash()`` and the addresses are those of the spawner, for all its plays;
/proc/self/cmdline and /proc/self/environ are the spawner's, which hold nothing.

Source: docs/design/0014-warm-plays.md.
"""

from __future__ import annotations

import builtins
import gc
import os
import signal
import sys
import types
from importlib.machinery import ModuleSpec, PathFinder
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper

from hero_logic.runner import boot
from hero_logic.runner.sandbox import first_process, native  # noqa: F401  # all that a play's way takes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hero_logic.runner.orders import Orders

_SDK = "hero_tracing"
_OURS = "hero_logic"
_source_dir = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_sdk_code: types.CodeType | None = None
_kept: list[object] = []
"""Our modules, once they cannot be imported any more: to take them apart would only take time."""
_REHEARSED = b"from hero_tracing import flow\n\n@flow\ndef main():\n    return None\n"


def load() -> None:
    """Load what each play would load for itself, and run nothing of it that looks at its surroundings."""
    global _sdk_code
    spec = PathFinder.find_spec(_SDK, [_source_dir])
    loader: Any = None if spec is None else spec.loader
    assert loader is not None, "the SDK lies beside the package"
    _sdk_code = loader.get_code(_SDK)
    # What the SDK imports, so that it is there when its code runs.
    import _socket  # noqa: F401
    import contextvars  # noqa: F401
    import itertools  # noqa: F401

    # And what the compiler makes of itself when it is first called, which takes 2 ms.
    compile(_REHEARSED, "flow.py", "exec")
    # What is there now is never garbage: looking through it would copy every page of it into every play.
    gc.collect()
    gc.freeze()


def get_ready() -> None:
    """Do what is the same for every play, in the process of one; its descriptors are in their places."""
    _open_streams()
    os.environ["HERO_FLOW_SPAN_FD"] = "later"
    _load_sdk()
    _rehearse()
    _forget_ourselves()


def begin(orders: Orders) -> None:
    """Be the play; ends as an interpreter ends that was started for it."""
    stub_arguments = orders.argv[3:]
    environment = orders.environment
    # As site leaves out what is not there: a directory may not be in the play's view.
    sys.path[:] = [path for path in sys.path if path.endswith(".zip") or os.path.isdir(path)]
    _take_up_signals()
    os.environ.clear()
    os.environ.update(environment)
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    vars(main).update(__file__=orders.argv[2], __cached__=None, __annotations__={}, __builtins__=builtins)
    sys.argv[:] = orders.argv[2:]
    _activate_sdk(stub_arguments[0])
    sys.exit(boot.play(stub_arguments))


def _forget_ourselves() -> None:
    """Leave of our modules only what runs here; what the interpreter loaded by itself stays."""
    ours = [name for name in sys.modules if name.partition(".")[0] == _OURS]
    _kept.extend(sys.modules.pop(name) for name in ours)
    sys.path.remove(_source_dir)
    sys.path_importer_cache.clear()


def _take_up_signals() -> None:
    """What Python sets up when it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)


def _open_streams() -> None:
    """The three streams over the descriptors that are the play's now, as Python opens them under C.UTF-8."""
    for descriptor, name, errors in (
        (0, "stdin", "surrogateescape"),
        (1, "stdout", "surrogateescape"),
        (2, "stderr", "backslashreplace"),
    ):
        mode = "w" if descriptor else "r"
        raw = FileIO(descriptor, mode, closefd=False)
        raw.name = f"<{name}>"
        buffered = BufferedWriter(raw) if descriptor else BufferedReader(raw)
        stream = TextIOWrapper(
            buffered, encoding="utf-8", errors=errors, newline="\n", line_buffering=descriptor > 0
        )
        stream.mode = mode  # type: ignore[misc]  # it can be set, and Python does
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _load_sdk() -> None:
    assert _sdk_code is not None, "load() came first"
    module: Any = types.ModuleType(_SDK)
    sys.modules[_SDK] = module
    exec(_sdk_code, module.__dict__)  # noqa: S102  # the SDK, as it is shipped


def _activate_sdk(stage_dir: str) -> None:
    module: Any = sys.modules[_SDK]
    module.__file__ = os.path.join(stage_dir, "sdk", f"{_SDK}.py")
    module.__spec__ = ModuleSpec(_SDK, None, origin=module.__file__)
    module.flow = module._activate()


def _rehearse() -> None:
    """Do what a play does first, so that the kernel copies now what such code writes to: 6 us for each page.

    Source: docs/design/0014-warm-plays.md.
    """
    sdk: Any = sys.modules[_SDK]
    for stream in (sys.stdout, sys.stderr):
        sdk._stand_in(sdk._Stream, stream, "")
    exec(compile(_REHEARSED, "flow.py", "exec"), {"__name__": "rehearsed"})  # noqa: S102  # our own words
