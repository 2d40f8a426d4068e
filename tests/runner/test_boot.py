"""The stub inside a play: what a flow finds, and how its end is told."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hero_logic.runner import boot
from support.runtime import Ran

Played = Callable[..., Ran]

PYENV = Path.home() / ".pyenv" / "versions"


class Count(int):
    def __repr__(self) -> str:
        return "not JSON"


class Name(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not this"


# The output


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-(2**70), "-1180591620717411303424"),
        (1.5, "1.5"),
        (1e300, "1e+300"),
        (-0.0, "-0.0"),
        ('a"\\\n\x00\u2028ä', '"a\\"\\\\\\n\\u0000\\u2028\\u00e4"'),
        ((1, (2,)), "[1,[2]]"),
        ([], "[]"),
        ({}, "{}"),
        ({"a": [{"b": None}]}, '{"a":[{"b":null}]}'),
        (Count(3), "3"),
        (Name("n"), '"n"'),
    ],
)
def test_json_values_are_encoded_strictly(value: Any, text: str) -> None:
    """Tuples are arrays, and a subclass is what it is a subclass of."""
    assert boot.encode_output(value) == text
    assert json.loads(text) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), "output is of the type object"),
        ({1, 2}, "output is of the type set"),
        (b"x", "output is of the type bytes"),
        ([1, {"a": [0, object()]}], "output[1]['a'][1] is of the type object"),
        ({"a": float("nan")}, "output['a'] is nan"),
        ([float("-inf")], "output[0] is -inf"),
        ({"a": {7: 1}}, "output['a'] has the key 7 of the type int"),
        ({"a": {None: 1}}, "output['a'] has the key None"),
        (["\ud800"], "output[0] is text with half a surrogate pair"),
        ({"\ud800": 1}, "is text with half a surrogate pair"),
        ([10**5000], "output[0] is a whole number with too many digits"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(value: Any, place: str) -> None:
    """A person must find the value."""
    with pytest.raises(boot.Unfit) as caught:
        boot.encode_output(value)

    assert place in str(caught.value)


def test_a_value_that_holds_itself_is_refused_with_a_short_message() -> None:
    """A cycle is nested for ever; its place is cut."""
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(boot.Unfit, match="nested deeper than 200 levels") as caught:
        boot.encode_output(cycle)

    assert len(str(caught.value)) < 200


def test_a_depth_of_200_is_kept() -> None:
    """The limit itself is within it."""
    value: Any = 1
    for _ in range(200):
        value = [value]

    assert boot.encode_output(value) == "[" * 200 + "1" + "]" * 200


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/x/a_flow.py", "a_flow"),
        ("/x/json.py", "flow_json"),
        ("/x/sys.py", "flow_sys"),
        ("/x/my flow-1.py", "flow_my_flow_1"),
        ("/x/1.py", "flow_1"),
    ],
)
def test_a_flow_is_imported_by_its_files_name_where_that_hides_nothing(path: str, name: str) -> None:
    """A name of the standard library, or one that is no identifier, gets another one."""
    assert boot.module_name(path) == name


# What a flow finds


def test_a_flow_finds_its_own_file(played: Played, tmp_path: Path) -> None:
    """__file__, sys.argv and flow.here are of the original path; __name__ is not __main__."""
    ran = played("""
        import sys
        @flow
        def main():
            return [__file__, sys.argv, str(flow.here), __name__]
        if __name__ == "__main__":
            raise SystemExit("the block of a script does not run in a play")
    """)

    path = str(tmp_path / "a_flow.py")
    assert ran["output"] == [path, [path], str(tmp_path), "a_flow"]


@pytest.mark.parametrize("name", ["json.py", "random.py", "my flow-1.py", "types.py", "ünï.py"])
def test_a_file_of_any_name_runs(played: Played, name: str) -> None:
    """Named like a module of the standard library, with spaces, dashes or other letters."""
    ran = played(
        """
        import json, random, types, asyncio
        @flow
        def main(n: int, s: str):
            return [n, s, json.dumps([1]), bool(random.random() + 1)]
        """,
        "n=3",
        "s=x",
        name=name,
    )

    assert (ran["status"], ran["error"], ran["output"]) == ("ok", "", [3, "x", "[1]", True])


def test_modules_beside_the_flow_are_importable(played: Played, tmp_path: Path) -> None:
    """As under plain python3."""
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("from .inner import VALUE\n")
    (tmp_path / "package" / "inner.py").write_text("VALUE = 8\n")
    ran = played("""
        import beside
        @flow
        def main():
            import package
            return [beside.VALUE, package.VALUE]
    """)

    assert ran["output"] == [7, 8]


def test_a_module_beside_the_flow_named_like_the_standard_librarys_breaks_nothing(
    played: Played, tmp_path: Path
) -> None:
    """The stub and the SDK import the real one."""
    for name in ("json", "traceback", "asyncio", "linecache", "threading", "contextvars"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong module')\n")
    ran = played(
        """
        @flow
        async def main(n: int):
            with flow.step("s"):
                return 10 // n
        """,
        "n=0",
    )

    assert ran["error"].startswith("ZeroDivisionError")


def test_tracebacks_and_spans_name_the_original_path(played: Played, tmp_path: Path) -> None:
    """And show the line of the flow, without a frame of ours."""
    ran = played("""
        @flow.step("s")
        def helper():
            return 1 / 0
        @flow
        def main():
            helper()
    """)

    path = str(tmp_path / "a_flow.py")
    assert ran["error"].startswith("ZeroDivisionError: division by zero")
    assert f'File "{path}", line 5, in helper\n    return 1 / 0' in ran["error"]
    assert "boot" not in ran["error"]
    assert "hero_tracing" not in ran["error"]
    assert ran["stderr"].strip() == ran["error"].partition("\n\n")[2].strip()
    assert {span["source_file"] for span in ran["spans"]} == {path}


def test_a_syntax_error_of_an_imported_module_is_the_plays_error(played: Played, tmp_path: Path) -> None:
    """It is told as Python tells it."""
    (tmp_path / "beside.py").write_text("def (:\n")
    ran = played("""
        import beside
        @flow
        def main():
            return 1
    """)

    assert ran["status"] == "failed"
    assert "SyntaxError" in ran["error"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_run_functions_of_the_flows_module(played: Played, method: str) -> None:
    """A pool finds them by name, and their spans come with the right parent."""
    ran = played(
        f"""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        def square(n):
            with flow.step(f"square {{n}}"):
                return n * n
        @flow
        def main():
            context = multiprocessing.get_context({method!r})
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                squares = list(pool.map(square, range(4)))
            with context.Pool(2) as pool:
                return squares + pool.map(square, [9])
        """
    )

    assert (ran["status"], ran["error"], ran["output"]) == ("ok", "", [0, 1, 4, 9, 81])
    assert sorted(span["name"] for span in ran["spans"] if span["name"] != "main") == [
        *(f"square {n}" for n in range(4)),
        "square 9",
    ]


def test_a_forked_child_that_falls_through_says_nothing_in_its_parents_name(played: Played) -> None:
    """Neither its result nor its return: the parent's play goes on."""
    ran = played(
        """
        import os
        @flow
        def main():
            child = os.fork()
            if child == 0:
                return "the child's"
            os.waitpid(child, 0)
            import threading
            threading.Event().wait(1.6)
            return "the parent's"
        """,
        grace_s=0.1,
    )

    assert (ran["status"], ran["output"]) == ("ok", "the parent's")


@pytest.mark.parametrize("version", ["3.9.18", "3.10.13", "3.12.1", "3.13.0"])
def test_a_flow_runs_under_another_python(played: Played, version: str) -> None:
    """``--python`` takes any from 3.9 on."""
    python = PYENV / version / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no Python {version} here")
    ran = played(
        """
        import sys
        @flow
        async def main(n: int):
            with flow.step("s"):
                return [list(sys.version_info[:2]), n, sys.executable]
        """,
        "n=5",
        python=str(python),
    )

    wanted = [int(part) for part in version.split(".")[:2]]
    assert (ran["error"], ran["output"]) == ("", [wanted, 5, str(python)])
    assert [span["name"] for span in ran["spans"]] == ["main", "s"]


# The input


def test_an_input_of_five_megabytes_arrives_whole(played: Played) -> None:
    """The input goes by file."""
    ran = played(
        """
        @flow
        def main(text: str, rest: list):
            return [len(text), text[-3:], rest]
        """,
        document=json.dumps({"text": "y" * 5_000_000 + "end", "rest": [1, {"a": None}]}).encode(),
    )

    assert ran["output"] == [5_000_003, "end", [1, {"a": None}]]
    assert len(ran["input"]["text"]) == 5_000_003


def test_positional_and_keyword_only_parameters_get_their_values(played: Played) -> None:
    """However the function takes them."""
    ran = played(
        """
        @flow
        def main(a, /, b, *, c=3):
            return [a, b, c]
        """,
        "a=1",
        "b=2",
    )

    assert ran["output"] == [1, 2, 3]


def test_an_alias_of_a_simple_type_is_checked_before_the_flow_runs(played: Played) -> None:
    """What the syntax tree could not tell is a clear error, and no step of the flow was run."""
    ran = played(
        """
        Age = int
        @flow
        def main(age: Age):
            print("ran")
        """,
        'age="old"',
    )

    assert (ran["status"], ran["stdout"]) == ("failed", "")
    assert ran["error"] == "the input age is 'old', and the flow takes int."


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("@flow\ndef main(): pass\nmain = None", "no flow"),
        ("@flow\ndef main(): pass\ndel main", "is not in the module"),
    ],
)
def test_a_flow_that_is_gone_once_the_module_ran_is_told(played: Played, body: str, says: str) -> None:
    """The syntax tree promised what the module did not keep."""
    ran = played(body)

    assert ran["status"] == "failed"
    assert says in ran["error"] or "is not in the module" in ran["error"]


# How a flow ends


def test_ten_megabytes_of_output_are_kept(played: Played) -> None:
    """The returned value may be large."""
    ran = played("""
        @flow
        def main():
            return ["ä" * 1_000_000] * 10
    """)

    assert (ran["status"], len(ran["output"]), len(ran["output"][9])) == ("ok", 10, 1_000_000)


@pytest.mark.parametrize(
    ("statement", "status", "exit_code", "says"),
    [
        ("sys.exit()", "ok", 0, ""),
        ("sys.exit(0)", "ok", 0, ""),
        ("sys.exit(3)", "failed", 3, "exited with status 3"),
        ("sys.exit(256 + 7)", "failed", 7, "exited with status 7"),
        ("sys.exit('the reason')", "failed", 1, "the reason"),
        ("os._exit(0)", "failed", 0, "the play ended while this span was open"),
        ("os._exit(3)", "failed", 3, "exited with status 3"),
        ("raise KeyboardInterrupt", "failed", 1, "KeyboardInterrupt"),
        ("raise GeneratorExit", "failed", 1, "GeneratorExit"),
        ("raise flow.Failed('no luck')", "failed", 1, "no luck"),
        ("os.kill(os.getpid(), 9)", "failed", None, "ended by SIGKILL"),
        ("ctypes.string_at(0)", "failed", None, "ended by SIGSEGV (a crash in native code)"),
        ("os.abort()", "failed", None, "ended by SIGABRT"),
    ],
)
def test_every_way_to_end_within_a_step_is_told_truly(
    played: Played, statement: str, status: str, exit_code: int | None, says: str
) -> None:
    """The status, the exit code, and the reason that a person needs first."""
    ran = played(f"""
        import ctypes, os, sys
        @flow
        def main():
            with flow.step("within"):
                {statement}
    """)

    assert (ran["status"], ran["exit_code"]) == (status, exit_code)
    assert says in ran["error"]
    assert not [span for span in ran["spans"] if span["status"] == "running"]


def test_an_exit_before_the_flow_is_the_plays_end(played: Played) -> None:
    """A module that exits is told by its status."""
    ran = played("""
        import sys
        sys.exit(4)
        @flow
        def main():
            return 1
    """)

    assert (ran["status"], ran["exit_code"], ran["spans"]) == ("failed", 4, [])


@pytest.mark.parametrize(
    ("ending", "status", "output"),
    [("return 7", "ok", 7), ("raise ValueError('bad')", "failed", None), ("sys.exit(2)", "failed", None)],
)
def test_threads_that_linger_have_the_grace_and_no_more(
    played: Played, ending: str, status: str, output: int | None
) -> None:
    """However the flow ended; what it returned stands."""
    before_s = time.monotonic()
    ran = played(
        f"""
        import sys, threading
        @flow
        def main():
            print("said")
            threading.Thread(target=threading.Event().wait).start()
            {ending}
        """,
        grace_s=0.3,
    )

    assert (ran["status"], ran["output"], ran["stdout"]) == (status, output, "said\n")
    assert 0.3 <= time.monotonic() - before_s < 5


def test_a_thread_that_ends_within_the_grace_is_waited_for(played: Played) -> None:
    """Its last span is recorded."""
    ran = played("""
        import threading
        @flow
        def main():
            def late():
                threading.Event().wait(0.2)
                with flow.step("late"):
                    print("done")
            threading.Thread(target=late).start()
    """)

    assert (ran["status"], ran["stdout"], ran.span("late")["status"]) == ("ok", "done\n", "ok")


def test_exit_handlers_that_hang_have_the_grace_and_no_more(played: Played) -> None:
    """The output stands."""
    ran = played(
        """
        import atexit, threading
        @flow
        def main():
            atexit.register(threading.Event().wait)
            return "kept"
        """,
        grace_s=0.2,
    )

    assert (ran["status"], ran["output"]) == ("ok", "kept")


def test_an_interpreter_that_cannot_run_a_thread_any_more_is_ended_from_outside(played: Played) -> None:
    """Native code that never lets go of the interpreter is killed a moment after the grace."""
    ran = played(
        """
        import atexit, ctypes
        @flow
        def main():
            pause = ctypes.PyDLL(None).pause
            atexit.register(pause)
            return "kept"
        """,
        grace_s=0.1,
    )

    assert (ran["status"], ran["output"]) == ("ok", "kept")


def test_saying_to_have_returned_does_not_move_the_end(played: Played) -> None:
    """A flow that speaks in the stub's name gains the grace once, not for ever."""
    before_s = time.monotonic()
    ran = played(
        """
        import os, threading
        @flow
        def main():
            while True:
                os.write(3, b"R")
                threading.Event().wait(0.05)
        """,
        grace_s=0.1,
        timeout_s=0.5,
    )

    assert ran["status"] != "ok"
    assert time.monotonic() - before_s < 6


@pytest.mark.parametrize(
    "closing", ["sys.stdout.close(); sys.stderr.close()", "sys.stdout = sys.stderr = None"]
)
def test_a_flow_may_close_its_own_output(played: Played, closing: str) -> None:
    """How it ended is told all the same."""
    ran = played(f"""
        import sys
        @flow
        def main():
            {closing}
            raise ValueError("told")
    """)

    assert ran["error"].startswith("ValueError: told")


def test_a_result_never_goes_into_a_file_of_the_flows(played: Played, tmp_path: Path) -> None:
    """A flow that closes every descriptor and opens files of its own finds them as it wrote them."""
    ran = played("""
        import os
        @flow
        def main():
            os.closerange(3, 100)
            files = [os.open(f"file{n}", os.O_RDWR | os.O_CREAT) for n in range(6)]
            assert 3 in files and 4 in files
            os.symlink(os.getcwd(), "artifacts/none")
            import atexit
            atexit.register(lambda: print([os.path.getsize(f'file{n}') for n in range(6)], flush=True))
            return "lost"
    """)

    assert ran["stdout"] == "[0, 0, 0, 0, 0, 0]\n"
    assert ran["status"] == "failed"
    assert "closed descriptor 4" in ran["error"]


def test_the_stub_itself_runs_on_the_oldest_python() -> None:
    """Its source compiles there; what it does there is tested by whole plays."""
    python = PYENV / "3.9.18" / "bin" / "python"
    if not python.exists():
        pytest.skip("there is no Python 3.9 here")
    status = os.spawnv(os.P_WAIT, str(python), [str(python), "-m", "py_compile", str(boot.__file__)])

    assert status == 0
    assert sys.version_info >= (3, 11)


def test_the_thread_that_ends_what_lingers_has_begun_when_the_flow_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that begins only while the interpreter ends aborts it, and a play that went well has failed."""
    import _thread

    start, begun = _thread.start_new_thread, []

    def start_late(function: Callable[[], None], arguments: tuple[()]) -> int:
        def late() -> None:
            time.sleep(0.05)
            begun.append(True)
            function(*arguments)

        return start(late, ())

    monkeypatch.setattr(_thread, "start_new_thread", start_late)
    boot.end_lingering(3600.0, 0)

    assert begun == [True]
