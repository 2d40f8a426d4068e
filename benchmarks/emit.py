"""What a span costs, under the runtime and without it, and what importing the SDK costs.

    python benchmarks/emit.py [--quick] [--json FILE]

Each claim is a ratio to a floor measured in the same minutes on the same machine:

- ``span``: a span with two tags and one log under the runtime, against a hand-written emitter of the same
  three lines: it finds the same facts (parent, source line, time), encodes them, takes a lock, writes,
  and has no limits, no odd values, no errors, no signals, no forks. A reader drains on another core.
- ``standalone``: a span without the runtime, against an empty class context manager.
- ``import``: a whole ``python -c 'import hero_tracing'``, against ``python -c pass``.
- the first two beside OpenTelemetry's Python SDK: otel.py.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time

import otel
from measure import Claim, NotMeasured, arguments, finish

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")

# A write that finds the reader asleep in recv pays for waking it, 2 to 4 us, and whether it does depends on
# who is faster by a hair: with that in, ratios from 0.6 to 1.5 came out of the same two programs.
READER = """
import os, socket, sys, time
try:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
except (AttributeError, OSError):
    pass
listener = socket.socket(fileno=int(sys.argv[1]))
for _ in range(2):
    connection, _ = listener.accept()
    if not os.fork():
        while connection.recv(1 << 18):
            time.sleep(0.0002)  # never asleep in recv: see above
        os._exit(0)
    connection.close()
"""

EMITTER = """
import contextvars, itertools, json, os, socket, sys, time, _thread
from _json import encode_basestring_ascii as q
from time import monotonic as clock
path, runs, spans = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
try:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
except (AttributeError, OSError):
    pass
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
fd, lock, write = connection.fileno(), _thread.allocate_lock(), os.write
ids, current = itertools.count(1), contextvars.ContextVar("current", default=None)
os.environ["HERO_FLOW_SPAN_SOCK"] = path
from hero_tracing import flow

class Floor:
    __slots__ = ("id", "name", "outer", "place", "tags")
    def __init__(self, name, **tags):
        caller = sys._getframe(1)
        self.name, self.tags, self.place = name, tags, (caller.f_code.co_filename, caller.f_lineno)
    def __enter__(self):
        self.outer = outer = current.get()
        current.set(self)
        self.id = f"0123abcd{next(ids):08x}"
        tags = ",".join([f"{q(k)}:{q(v) if type(v) is str else v}" for k, v in self.tags.items()])
        file, line = self.place
        body = (f'{{"type":"span_start","span_id":"{self.id}","name":{q(self.name)}'
                f',"start_ms":{clock() * 1e3:.3f},"parent_id":"{outer.id if outer else ""}","kind":"step"'
                f',"tags":{{{tags}}},"source_file":{q(file)},"source_line":{line}')
        with lock:
            write(fd, f'{body}}}\\n'.encode())
        return self
    def log(self, text):
        body = f'{{"type":"span_log","span_id":"{self.id}","text":{q(text)},"ts_ms":{clock() * 1e3:.3f}'
        with lock:
            write(fd, f'{body}}}\\n'.encode())
    def __exit__(self, kind, error, trace):
        current.set(self.outer)
        body = f'{{"type":"span_end","span_id":"{self.id}","status":"ok","end_ms":{clock() * 1e3:.3f}'
        with lock:
            write(fd, f'{body}}}\\n'.encode())

def one(make):
    start = time.perf_counter()
    for number in range(spans):
        with make("load", table="customers", rows=number) as span:
            span.log("read a page of forty-two rows from disk")
    return (time.perf_counter() - start) / spans * 1e6

one(Floor), one(flow.step)
pairs = [(one(Floor), one(flow.step)) for _ in range(runs)]
print(json.dumps({"floor": [a for a, _ in pairs], "ours": [b for _, b in pairs]}))
"""

STANDALONE = """
import json, sys, time
from hero_tracing import flow
runs, spans = int(sys.argv[1]), int(sys.argv[2])

class Empty:
    __slots__ = ()
    def __init__(self, name, **tags):
        pass
    def __enter__(self):
        return self
    def __exit__(self, kind, error, trace):
        pass

def one(make):
    start = time.perf_counter()
    for number in range(spans):
        with make("load", table="customers", rows=number):
            pass
    return (time.perf_counter() - start) / spans * 1e6

one(Empty), one(flow.step)
pairs = [(one(Empty), one(flow.step)) for _ in range(runs)]
print(json.dumps({"floor": [a for a, _ in pairs], "ours": [b for _, b in pairs]}))
"""


def environment(cache: str) -> dict[str, str]:
    """The environment of a script: the SDK can be imported, and its bytecode is kept."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HERO_", "PYTHON"))}
    return {**clean, "PYTHONPATH": SOURCE, "PYTHONPYCACHEPREFIX": cache}


def run_script(script: str, arguments: list[str], cache: str) -> dict[str, list[float]]:
    """Run a script that prints its samples as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment(cache),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    samples: dict[str, list[float]] = json.loads(done.stdout)
    return samples


def measure_span(runs: int, spans: int, directory: str) -> dict[str, list[float]]:
    """Microseconds a span under the runtime."""
    path = os.path.join(directory, "spans.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        os.set_inheritable(listener.fileno(), True)
        number = str(listener.fileno())
        reader = subprocess.Popen([sys.executable, "-c", READER, number], pass_fds=[listener.fileno()])
        try:
            return run_script(EMITTER, [path, str(runs), str(spans)], directory)
        finally:
            reader.wait(timeout=30)


def measure_standalone(runs: int, spans: int, directory: str) -> dict[str, list[float]]:
    """Microseconds a span without the runtime."""
    return run_script(STANDALONE, [str(runs), str(spans)], directory)


def measure_import(runs: int, directory: str) -> dict[str, list[float]]:
    """Milliseconds of a whole process, with and without the import."""

    def one(statement: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], env=environment(directory), check=True)
        return (time.perf_counter() - start) * 1e3

    one("import hero_tracing")  # writes the bytecode
    pairs = [(one("pass"), one("import hero_tracing")) for _ in range(runs)]
    return {"floor": [floor for floor, _ in pairs], "ours": [ours for _, ours in pairs]}


def main() -> int:
    """Measure; 1 if a goal was missed."""
    options = arguments(__doc__ or "")
    runs, spans, starts = (2, 500, 2) if options.quick else (25, 4_000, 25)
    with tempfile.TemporaryDirectory() as directory:
        measured = [
            ("a span under the runtime", "us", 1.3, measure_span(runs, spans, directory)),
            ("a span without the runtime", "us", 2.0, measure_standalone(runs, spans * 10, directory)),
            ("python3 -c 'import hero_tracing'", "ms", 1.25, measure_import(starts, directory)),
        ]
        beside, versions = otel.claims(runs, spans, directory)
    floors = ("the same three lines by hand", "an empty class context manager", "python3 -c pass")
    claims: list[Claim | NotMeasured] = [
        Claim(name, values=samples["ours"], floor=samples["floor"], floor_name=floor, unit=unit, goal=goal)
        for (name, unit, goal, samples), floor in zip(measured, floors, strict=True)
    ]
    return finish("What a span costs where it is emitted", claims + beside, options, versions=versions)


if __name__ == "__main__":
    sys.exit(main())
