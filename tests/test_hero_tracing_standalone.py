"""Without the runtime: silent, cheap, and the flow a plain script. And what the module shows of itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import hero_tracing
from support.sdk_plays import SOURCE, Play, clean_environment, run_play, run_standalone

PYENV = os.path.expanduser("~/.pyenv/versions")
OTHER_PYTHONS = [f"{PYENV}/{version}/bin/python" for version in ("3.9.18", "3.10.13", "3.12.1", "3.13.0")]

# Everything at once, in the words of the oldest interpreter.
TOUR = """
    import asyncio, inspect, logging, threading
    from concurrent.futures import ThreadPoolExecutor

    class Client:
        def get(self, path, token=None): return {"path": path}
        async def fetch(self): return 1

    @flow.step("generator")
    def numbers():
        with flow.step("in generator"): yield 1

    @flow.step("agen")
    async def anumbers():
        yield 1

    @flow("tour", description="all", inputs={"n": "how many"}, outputs={"n": "as many"})
    async def tour(n: int = 3) -> int:
        with flow.step("load", name="x", self=1) as load:
            load.tag(rows=[1, {"a": None}]); load.log("hello", level="info")
            flow.current_span.tag(b=1); flow.tag(c=1); flow.log("again")
            print("printed"); logging.warning("logged")
        async with flow.span("async"): pass
        for _ in flow.track(range(n), "loop"): pass
        client = instrument(Client(), redact=["x"])
        assert client.get("/", token="t") == {"path": "/"} and await client.fetch() == 1
        assert list(numbers()) == [1] and [x async for x in anumbers()] == [1]
        async for _ in flow.track(anumbers(), "aloop"): pass
        thread = threading.Thread(target=propagate(lambda: flow.step("thread").__enter__()))
        thread.start(); thread.join()
        with ThreadPoolExecutor(1) as pool: pool.submit(flow.step("pool")(lambda: 1)).result()
        await asyncio.gather(asyncio.sleep(0), flow.step("task")(asyncio.sleep)(0))
        try:
            with flow.step("failed"): raise flow.Failed("why")
        except flow.Failed: pass
        try:
            with flow.step("outer"):
                with flow.step("broken"): 1 / 0
        except ZeroDivisionError: pass
        with flow.step("marked") as marked: marked.fail("so")
        return n

    assert inspect.iscoroutinefunction(tour) and asyncio.iscoroutinefunction(tour)
    assert str(inspect.signature(tour)) == "(n: int = 3) -> int" and tour.__name__ == "tour"
    assert tour.__hero_flow__ == {
        "name": "tour", "description": "all", "inputs": {"n": "how many"}, "outputs": {"n": "as many"}}
    assert asyncio.run(tour()) == 3
    assert hero_tracing._writer.faults == 0
"""


def check_tour(play: Play) -> None:
    """Everything that the tour did is there, and nothing went wrong."""
    assert play.returncode == 0, play.stderr
    assert {span.name: span.status for span in play.spans} == {
        **dict.fromkeys(
            ["tour", "load", "async", "loop", "aloop", "rpc:Client.get", "rpc:Client.fetch", "generator"],
            "ok",
        ),
        **dict.fromkeys(["in generator", "pool", "task", "agen"], "ok"),
        **dict.fromkeys(["failed", "broken", "outer", "marked"], "failed"),
        "thread": "running",
    }
    assert play.span("load").logs == ["hello", "again", "printed", "logged"]
    assert play.stdout == "printed\n"


def test_the_tour() -> None:
    """The whole of the SDK in one flow, under the interpreter of the tests."""
    check_tour(run_play(TOUR))


@pytest.mark.parametrize("python", OTHER_PYTHONS, ids=lambda path: path.split("/")[-3])
def test_the_tour_under_other_interpreters(python: str) -> None:
    """The SDK is the same under Python 3.9 and all later ones."""
    if not os.path.exists(python):
        pytest.skip(f"no interpreter at {python}")
    check_tour(run_play(TOUR, python=python))


@pytest.mark.parametrize("python", [sys.executable, *OTHER_PYTHONS], ids=lambda path: path.split("/")[-3])
def test_the_tour_without_the_runtime(python: str) -> None:
    """Without the runtime the same flow runs the same, and nobody notices."""
    if not os.path.exists(python):
        pytest.skip(f"no interpreter at {python}")
    done = run_standalone(
        TOUR,
        python=python,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "printed\n", "WARNING:root:logged\n")


def test_without_the_runtime_a_flow_is_the_function_itself() -> None:
    """Decorators give back what they were given, stamped."""
    done = run_standalone("""
        def f(x):
            '''Do it.

            At length.
            '''
        g = f
        assert flow(f) is g and flow.step('s')(f) is g and flow.span('s', a=1)(f) is g
        assert f.__hero_flow__ == {'name': 'f', 'description': 'Do it.', 'inputs': {}, 'outputs': {}}
        assert flow('other')(f).__hero_flow__['name'] == 'other'
        assert flow(name='third', description='d')(f).__hero_flow__['description'] == 'd'
        client = object()
        assert instrument(client) is client and propagate(f) is f
        items = [1]
        assert type(flow.track(items)) is type(iter(items))
        assert flow.step('a', b=1) is flow.step('c') is flow.current_span
        with flow.step('a') as s:
            assert s.span_id == '' and s.tag(a=1) is s.log('x') is s.fail('y') is None
        try:
            with flow.step('a'): raise ValueError
        except ValueError: print('raised')
    """)

    assert (done.returncode, done.stdout, done.stderr) == (0, "raised\n", "")


def test_without_the_runtime_nothing_is_patched() -> None:
    """Streams, threads, pools, logging and the import system are as they were."""
    done = run_standalone("""
        import sys, threading, logging, concurrent.futures.thread
        assert sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__
        assert [type(f).__name__ for f in sys.meta_path if 'Patches' in type(f).__name__] == []
        for patched in (threading.Thread.start, logging.Logger.callHandlers,
                        concurrent.futures.thread.ThreadPoolExecutor.submit):
            assert not hasattr(patched, '__wrapped__')
    """)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("python", [sys.executable, *OTHER_PYTHONS], ids=lambda path: path.split("/")[-3])
def test_importing_loads_next_to_nothing(python: str) -> None:
    """Next to a bare interpreter the import loads os, if that is not there; a play adds C modules."""
    if not os.path.exists(python):
        pytest.skip(f"no interpreter at {python}")
    script = (
        f"import sys; before = set(sys.modules); sys.path.insert(0, {SOURCE!r}); import hero_tracing; "
        "print(*sorted(set(sys.modules) - before))"
    )
    alone = subprocess.run(
        [python, "-I", "-S", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )
    play = run_play(
        "",
        "-S",
        python=python,
        first="import sys, os, __future__; before = set(sys.modules)\nimport hero_tracing\n"
        "sys.__stdout__.write(' '.join(set(sys.modules) - before))",
    )

    from_os = {"os", "os.path", "posixpath", "genericpath", "stat", "_stat", "_collections_abc"}
    assert set(alone.stdout.split()) <= {"hero_tracing", "__future__", *from_os}
    assert set(play.stdout.split()) <= {
        *(
            "hero_tracing",
            "_socket",
            "_thread",
            "_contextvars",
            "errno",
            "itertools",
            "_json",
            "math",
            "array",
        ),
        *("_weakrefset", "_typing"),
    }


def test_the_module_shows_its_four_names_and_no_others() -> None:
    """What does not begin with an underscore is the API."""
    assert [name for name in dir(hero_tracing) if not name.startswith("_")] == [
        "flow",
        "instrument",
        "propagate",
    ]
    assert hero_tracing.__all__ == ["__version__", "flow", "instrument", "propagate"]
    assert hero_tracing.__version__ == "0.1.0"


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (
            hero_tracing.flow,
            {
                "Failed",
                "ServiceFailed",
                "current_span",
                "here",
                "log",
                "service",
                "span",
                "step",
                "tag",
                "track",
            },
        ),
        (hero_tracing.flow.current_span, {"fail", "log", "span_id", "tag"}),
    ],
    ids=["flow", "span"],
)
def test_flow_and_spans_have_these_attributes_and_no_others(value: object, names: set[str]) -> None:
    """The same under the runtime and without it."""
    assert {name for name in dir(value) if not name.startswith("_")} == names


@pytest.mark.parametrize("runtime", [True, False])
def test_here_is_the_directory_of_the_flows_file(tmp_path: object, runtime: bool) -> None:
    """flow.here is where the asking file lies, in a play and out of it."""
    script = f"""
        import os, sys
        os.makedirs({str(tmp_path)!r} + '/flows', exist_ok=True)
        path = {str(tmp_path)!r} + '/flows/mine.py'
        source = 'from hero_tracing import flow as f\\nhere = f.here\\ndef later(): return f.here'
        open(path, 'w').write(source)
        sys.path.insert(0, os.path.dirname(path))
        import mine
        os.chdir('/')
        assert mine.here == mine.later() == os.path.dirname(path) and type(mine.here) is str
        assert flow.here == '/'
    """
    done = run_play(script) if runtime else run_standalone(script)

    assert done.returncode == 0, done.stderr


def test_under_the_runtime_a_flow_is_stamped_and_keeps_its_looks() -> None:
    """A wrapper has the mark, the signature, the name, the docs and the attributes of its function."""
    play = run_play("""
        import inspect, typing, pickle
        @flow(inputs={'a': 'first'}, outputs={'b': 'second'})
        def f(a: int, *, b: 'str' = 'x') -> dict:
            '''Do it.'''
            return {}
        assert f.__hero_flow__ == {
            'name': 'f', 'description': 'Do it.', 'inputs': {'a': 'first'}, 'outputs': {'b': 'second'}}
        assert f.__name__ == f.__qualname__ == 'f' and f.__doc__ == 'Do it.' and f.__module__ == '__main__'
        assert str(inspect.signature(f)) == "(a: int, *, b: 'str' = 'x') -> dict"
        assert typing.get_type_hints(f) == {'a': int, 'b': str, 'return': dict}
        assert f.__wrapped__ is not f and pickle.loads(pickle.dumps(f)) is f
        @flow.step('s')
        async def g(): '''Async.'''
        assert inspect.iscoroutinefunction(g) and g.__doc__ == 'Async.'
        @flow.step('s')
        def h(): yield
        assert inspect.isgeneratorfunction(h)
        class Callable:
            def __call__(self, x): return x
        assert flow.step('s')(Callable())(5) == 5
    """)

    assert play.returncode == 0, play.stderr


def test_the_sdk_is_written_for_python_3_9() -> None:
    """vermin finds nothing newer than 3.9 in the file."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import vermin; vermin.main()",
            "-t=3.9-",
            "--no-tips",
            f"{SOURCE}/hero_tracing.py",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
