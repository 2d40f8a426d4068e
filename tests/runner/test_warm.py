"""A play that is forked from an interpreter that was there before: for its flow like any other."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.outcome import Leavings
from hero_logic.runner.spawner import SPARES, Spawner
from hero_logic.runner.supervisor import children_of
from support.forked import has_landlock
from support.services import serving
from support.staged import Stage
from support.waiting import wait_until

FINGERPRINT = """
import os, signal, sys, threading
from hero_tracing import flow

@flow
def main():
    main_module = sys.modules["__main__"]
    return {
        "argv": sys.argv,
        "flags": str(sys.flags),
        "executable": sys.executable,
        "path": sys.path,
        "ours": sorted(name for name in sys.modules if name.startswith("hero_")),
        "main": sorted(key for key in vars(main_module) if key.startswith("__")),
        "environment": dict(os.environ),
        "signals": {number.name: str(signal.getsignal(number)) for number in signal.valid_signals()
                    if isinstance(number, signal.Signals)},
        "streams": [(stream.name if isinstance(stream.name, str) else "", stream.encoding, stream.errors,
                     stream.line_buffering, stream.fileno())
                    for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
        "directory": os.path.basename(os.getcwd()),
        "threads": threading.active_count(),
        "umask": os.umask(0),
        "group": os.getpgid(0) == os.getpid() == os.getsid(0),
        "depth": len(__import__("inspect").stack()) < 12,
        "hash_of_int": hash(1),
    }
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[Spawner]:
    spawner = Spawner.start(is_warm=True)
    yield spawner
    spawner.close()


@pytest.fixture(scope="module")
def cold() -> Iterator[Spawner]:
    spawner = Spawner.start()
    yield spawner
    spawner.close()


def run(
    spawner: Spawner,
    directory: Path,
    source: str,
    *,
    isolation: str = "none",
    connected: Sequence[tuple[str, str]] = (),
    **variables: str,
) -> Leavings:
    """Run a flow to its end."""
    stage = Stage(directory, spawner)
    plan = stage.plan("", isolation=isolation)
    plan.connected = connected
    plan.source = source.encode()
    environment = plan.environment
    plan.environment = lambda work_dir, channel: {**environment(work_dir, channel), **variables}
    with stage.begun(plan) as play:
        assert play.step(60), "the play did not end"
        play.drain()
        return play.leavings()


def output(leavings: Leavings) -> Any:
    assert leavings.result.outcome == "returned", leavings
    return leavings.result.output


def without_sid(found: dict[str, Any], sid: str) -> Any:
    return {key: str(value).replace(sid, "SID") for key, value in found.items()}


@pytest.mark.parametrize("isolation", ["none", "native"])
def test_a_flow_finds_the_interpreter_that_it_would_have_had(
    warm: Spawner, cold: Spawner, tmp_path: Path, isolation: str
) -> None:
    """The same arguments, path, modules of ours, environment, signals, streams and descriptors."""
    found = [
        without_sid(ran, ran["environment"]["HERO_FLOW_PLAY_SID"])
        for spawner in (cold, warm)
        for ran in [output(run(spawner, tmp_path, FINGERPRINT, isolation=isolation))]
    ]

    assert found[0] == found[1]


@pytest.mark.skipif(not has_landlock(), reason="this host has no Landlock of ABI 6")
def test_a_flow_inherits_its_services_where_it_makes_no_connection(warm: Spawner, tmp_path: Path) -> None:
    """Each play its own connection, to each of them; the second play is a spare one."""
    flow = """
from hero_tracing import flow

@flow
def main():
    return [flow.service("a").ask(n=1), flow.service("b").ask(n=2), flow.service("a").ask(n=3)]
"""
    with serving(lambda method, params: ["a", params["n"]]) as a, serving(lambda *_: "b") as b:
        connected = [("HERO_FLOW_RPC_A", a.path), ("HERO_FLOW_RPC_B", b.path)]
        told = [
            output(run(warm, tmp_path, flow, isolation="landlock", connected=connected)) for _ in range(2)
        ]

    assert told == [[["a", 1], "b", ["a", 3]]] * 2
    assert (a.connections, b.connections) == (2, 2)


def test_plays_of_one_spawner_know_nothing_of_each_other(warm: Spawner, tmp_path: Path) -> None:
    """What one of them was told is in no memory that the next one has."""
    secret = "a-value-" + os.urandom(8).hex()
    flow = """
from hero_tracing import flow
import os

@flow
def main():
    half = os.environ.get("HALF", "")
    found = 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps:
            bounds, rights = line.split()[:2]
            if "w" not in rights or "[v" in line:
                continue
            start, end = (int(word, 16) for word in bounds.split("-"))
            memory.seek(start)
            found += memory.read(end - start).count(half.encode() + b"-the-rest")
    return found
"""
    run(warm, tmp_path, flow, SECRET=f"{secret}-the-rest", HALF="nothing-here")

    assert output(run(warm, tmp_path, flow, HALF=secret)) == 0
    own = output(run(warm, tmp_path, flow, HALF=secret, SECRET=f"{secret}-the-rest"))
    assert own > 0, "the search finds what is there"


def test_an_exception_is_told_as_it_would_have_been(warm: Spawner, cold: Spawner, tmp_path: Path) -> None:
    """The traceback has the flow's frames alone."""
    flow = "from hero_tracing import flow\n@flow\ndef main():\n    raise ValueError('bad')\n"
    told = [run(spawner, tmp_path, flow).result for spawner in (cold, warm)]

    assert told[0] == told[1]
    assert "ValueError: bad" in told[1].traceback


@pytest.mark.parametrize(
    ("line", "exit_code", "signal"),
    [("sys.exit(7)", 7, None), ("os._exit(8)", 8, None), ("os.kill(os.getpid(), 9)", None, 9)],
)
def test_the_process_ends_as_the_flow_ends_it(
    warm: Spawner, tmp_path: Path, line: str, exit_code: int | None, signal: int | None
) -> None:
    """With its exit status, or by its signal."""
    flow = f"import os, sys\nfrom hero_tracing import flow\n@flow\ndef main():\n    {line}\n"
    record = run(warm, tmp_path, flow).record

    assert (record.reason, record.exit_code, record.signal) == ("exited", exit_code, signal)


def test_what_waits_for_the_end_of_the_interpreter_is_done(warm: Spawner, tmp_path: Path) -> None:
    """Exit handlers, threads, and what is still in a buffer."""
    flow = """
import atexit, sys, threading
from hero_tracing import flow

@flow
def main():
    atexit.register(print, "at exit")
    threading.Thread(target=lambda: print("a thread")).start()
    sys.stdout.write("no end of line")
"""
    stdout = run(warm, tmp_path, flow).stdout

    assert "a thread" in stdout
    assert "no end of line" in stdout
    assert stdout.rstrip().endswith("at exit")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_a_flow_can_be_started(warm: Spawner, tmp_path: Path, method: str) -> None:
    """Forked ones, and ones that import the flow again."""
    flow = f"""
import multiprocessing
from hero_tracing import flow

def double(number):
    return number * 2

@flow
def main():
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        return pool.map(double, [1, 2])
"""
    (tmp_path / "flow.py").write_text(flow)

    assert output(run(warm, tmp_path, flow)) == [2, 4]


def test_random_numbers_differ_from_play_to_play(warm: Spawner, tmp_path: Path) -> None:
    """Nothing that rolls dice was loaded before the fork."""
    flow = """
import random, secrets, uuid
from hero_tracing import flow

@flow
def main():
    return [random.random(), secrets.token_hex(8), str(uuid.uuid4())]
"""
    first, second = (output(run(warm, tmp_path, flow)) for _ in range(2))

    assert all(one != other for one, other in zip(first, second, strict=True))


def test_spans_have_ids_of_their_own_in_each_play(warm: Spawner, tmp_path: Path) -> None:
    """The SDK's prefix is made in the play."""
    flow = """
from hero_tracing import flow

@flow
def main():
    with flow.step("a") as span:
        return span.span_id
"""
    first, second = (output(run(warm, tmp_path, flow)) for _ in range(2))

    assert first[:8] != second[:8]


def test_another_interpreter_is_started_as_ever(warm: Spawner, tmp_path: Path) -> None:
    """A play that asks for a Python of its own gets that."""
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    stage = Stage(tmp_path, warm)
    plan = stage.plan("@flow\ndef main():\n    return sys.executable\n")
    plan.python = str(other)
    with stage.begun(plan) as play:
        assert play.step(60), "the play did not end"
        play.drain()

        assert output(play.leavings()) == str(other)


# The supervisor that is there before its play

ANSWER = "from hero_tracing import flow\n@flow\ndef main():\n    return 42\n"


def spares_of(spawner: Spawner) -> list[int]:
    """The supervisors that wait for the next plays, each with its candidate, which waits too.

    Looked at as one: the supervisor of a play that has just ended is among them for a moment.
    """

    def waiting() -> list[int]:
        found = children_of(spawner._pid)
        return found if len(found) == SPARES and all(map(candidates_of, found)) else []

    return wait_until(waiting, "the spare supervisors")


def candidates_of(supervisor: int) -> list[int]:
    """The process that becomes the play: of a play in a world of its own, the child of the first process."""
    return [last for first in children_of(supervisor) for last in children_of(first) or [first]]


def test_supervisors_wait_for_the_next_plays(tmp_path: Path) -> None:
    """They have left the host, where plays are kept in worlds of their own; they end with the spawner."""
    spawner = Spawner.start(is_warm=True)
    output(run(spawner, tmp_path, ANSWER, isolation="native"))
    spares = spares_of(spawner)
    for spare in spares:
        assert os.readlink(f"/proc/{spare}/ns/net") != os.readlink("/proc/self/ns/net")

    assert output(run(spawner, tmp_path, ANSWER, isolation="native")) == 42
    last = spares_of(spawner)
    assert set(last) & set(spares) == {spares[1]}, "the first of them was taken, and another one made"
    everyone = [*last, *(pid for spare in last for pid in candidates_of(spare))]
    spawner.close()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in everyone), "the end of all of them")


def test_a_play_that_was_made_ready_for_is_the_process_that_was_there(tmp_path: Path) -> None:
    """Forked before the play was known: none of its start is left but what is its own."""
    flow = ANSWER.replace("42", "__import__('os').getpid()")
    spawner = Spawner.start(is_warm=True)
    output(run(spawner, tmp_path, flow))
    waiting = candidates_of(spares_of(spawner)[0])

    assert output(run(spawner, tmp_path, flow)) in waiting
    spawner.close()


@pytest.mark.parametrize("isolation", ["none", "native"])
@pytest.mark.parametrize("whom", ["supervisor", "candidate"])
def test_who_was_killed_while_it_waited_is_no_loss(tmp_path: Path, isolation: str, whom: str) -> None:
    """The next play gets one of its own, and the supervisor of a candidate that is gone goes too."""
    spawner = Spawner.start(is_warm=True)
    output(run(spawner, tmp_path, ANSWER, isolation=isolation))
    spares = spares_of(spawner)
    for spare in spares:
        [candidate] = candidates_of(spare)
        os.kill(spare if whom == "supervisor" else candidate, signal.SIGKILL)
    wait_until(lambda: not set(spares) & set(children_of(spawner._pid)), "their end")

    assert output(run(spawner, tmp_path, ANSWER, isolation=isolation)) == 42
    spawner.close()


@pytest.mark.parametrize(("last", "next_one"), [("none", "native"), ("native", "none")])
def test_a_play_that_is_kept_in_something_else_gets_a_supervisor_of_its_own(
    tmp_path: Path, last: str, next_one: str
) -> None:
    """One that has left the host is none for a play that has not, nor the other way round."""
    flow = ANSWER.replace("42", "__import__('os').readlink('/proc/self/ns/net')")
    spawner = Spawner.start(is_warm=True)
    output(run(spawner, tmp_path, flow, isolation=last))
    former = spares_of(spawner)
    network = output(run(spawner, tmp_path, flow, isolation=next_one))

    assert (network == os.readlink("/proc/self/ns/net")) == (next_one == "none")
    wait_until(lambda: not set(former) & set(children_of(spawner._pid)), "the end of those of another kind")
    assert not set(former) & set(spares_of(spawner))
    spawner.close()


def test_what_the_sdk_looked_at_when_it_was_loaded_it_looks_at_again(tmp_path: Path) -> None:
    """The clock may have been set meanwhile, and the play began long after."""
    flow = """
from hero_tracing import flow
import hero_tracing, time

@flow
def main():
    return [time.time_ns() - (hero_tracing._clock_ns() + hero_tracing._EPOCH_NS), hero_tracing._active]
"""
    spawner = Spawner.start(is_warm=True)
    output(run(spawner, tmp_path, flow))
    spares_of(spawner)
    error_ns, is_active = output(run(spawner, tmp_path, flow))
    spawner.close()

    assert abs(error_ns) < 10**8
    assert is_active
