"""Where events go once the listener is gone or stalls for too long: the spool, a file of the play's."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from support.sdk_plays import (
    IMPORTS,
    OWN_LISTENER,
    clean_environment,
    lost_counts,
    read_file,
    run_play,
    whole_lines,
)

PYENV = os.path.expanduser("~/.pyenv/versions")
PYTHONS = [
    sys.executable,
    *(f"{PYENV}/{version}/bin/python" for version in ("3.9.18", "3.10.13", "3.12.1", "3.13.0")),
]

# Keeps every line that the SDK is given from here on, as it is to arrive.
RECORD = """
w = hero_tracing._writer
emit, said = w.emit, []
def record(body):
    said.append(body + '}\\n')
    emit(body)
w.emit = record
"""


@pytest.fixture
def spool(tmp_path: Path) -> str:
    """The path of a spool that nobody has made yet."""
    return str(tmp_path / "spool")


# --- A listener that is gone ---------------------------------------------------------------------------


def test_events_go_to_the_spool_once_the_listener_is_gone(spool: str) -> None:
    """Every line from the one that failed on is there to the byte, in order, and nothing is lost."""
    play = run_play(
        f"""
        with flow.step('root') as root:
            root.log('before')
            input()
            exec({RECORD!r})
            for n in range(300):
                with flow.step('after', n=n, text='\\ud800\\u00e4') as s: s.log('x' * n)
            root.log('y' * 150_000)
        with open({spool + ".said"!r}, 'w') as file: file.write(''.join(said))
        print(w.lost, w.faults)
        """,
        spool=spool,
        hang_up_at="before",
    )

    assert (play.returncode, play.stdout, play.stderr) == (0, "0 0\n", "")
    assert play.spool == read_file(spool + ".said")
    assert play.spool.count(b"\n") == 300 * 3 + 2
    assert [event["type"] for event in whole_lines(play.connections[0])] == [
        "hello",
        "span_start",
        "span_log",
    ]


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.split("/")[-3])
def test_the_spool_under_other_interpreters(spool: str, python: str) -> None:
    """The same under Python 3.9 and all later ones: threads, a fork and a signal handler included."""
    if not os.path.exists(python):
        pytest.skip(f"no interpreter at {python}")
    play = run_play(
        """
        import os, signal, sys, threading
        def work(name):
            with flow.step(name) as s:
                for n in range(50): s.log(f'{name} {n}')
        signal.signal(signal.SIGUSR1, lambda *_: flow.log('handled'))
        with flow.step('root') as root:
            root.log('before'); sys.stdin.readline()
            threads = [threading.Thread(target=work, args=(f't{n}',)) for n in range(3)]
            for t in threads: t.start()
            for t in threads: t.join()
            signal.raise_signal(signal.SIGUSR1)
            if not os.fork():
                work('child'); os._exit(hero_tracing._writer.faults)
            assert os.wait()[1] == 0
        assert hero_tracing._writer.lost == hero_tracing._writer.faults == 0
        """,
        "-X",
        "dev",
        "-W",
        "ignore::DeprecationWarning",  # of a fork beside threads
        python=python,
        spool=spool,
        hang_up_at="before",
    )

    assert (play.returncode, play.stderr) == (0, "")
    assert {span.name: span.status for span in play.spans} == dict.fromkeys(
        ["root", "t0", "t1", "t2", "child"], "ok"
    )
    assert all(play.span(name).logs == [f"{name} {n}" for n in range(50)] for name in ("t0", "t2", "child"))
    assert play.span("root").logs == ["before", "handled"]


def test_sigkill_loses_nothing_of_the_spool(spool: str) -> None:
    """When a call returns, its line is in the file: killing the process takes nothing back."""
    play = run_play(
        """
        import os, signal
        flow.step('root').__enter__().log('before'); input()
        for n in range(500):
            with flow.step(f's{n}') as s: s.log('x')
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        spool=spool,
        hang_up_at="before",
    )

    assert play.returncode == -signal.SIGKILL
    assert len(whole_lines(play.spool)) == 1500


def test_a_line_that_was_half_out_is_whole_in_the_spool(spool: str) -> None:
    """A listener that goes away in the middle of a line costs nothing: the file has it from its start."""
    play = run_play(
        """
        hero_tracing._writer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with flow.step('root') as root:
            await_room = hero_tracing._writer._await_room
            def hang_up(limit_s):
                ours.close()
                await_room(limit_s)
            hero_tracing._writer._await_room = hang_up
            root.log('y' * 150_000)
            root.log('next')
        print(hero_tracing._writer.lost)
        """,
        first=OWN_LISTENER,
        spool=spool,
    )

    assert (play.returncode, play.stdout, play.stderr) == (0, "0\n", "")
    assert [event.get("text") for event in whole_lines(play.spool)] == ["y" * 150_000, "next", None]


def test_no_event_of_many_threads_is_lost_or_doubled_by_the_change(spool: str) -> None:
    """Threads that write while the listener hangs up: each event is whole in one of the two places."""
    play = run_play(
        """
        import threading
        def work():
            for n in range(1500):
                with flow.step('s') as s: s.log('x' * 500)
        threads = [threading.Thread(target=work) for n in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
        print(hero_tracing._writer.lost, hero_tracing._writer.faults)
        """,
        spool=spool,
        hang_up_at="span_end",
    )

    events = [event for data in (*play.connections, play.spool) for event in whole_lines(data)]
    seen = Counter((event["span_id"], event["type"]) for event in events if event["type"] != "hello")
    assert (play.returncode, play.stdout, play.stderr) == (0, "0 0\n", "")
    assert len(seen) == 4 * 1500 * 3
    assert set(seen.values()) == {1}
    assert play.spool


def test_there_is_no_way_back_from_the_spool(spool: str) -> None:
    """A listener that comes back gets nothing: the order of the events of a process is kept."""
    play = run_play(
        """
        import os, socket
        with flow.step('root') as root:
            root.log('before'); input(); root.log('spooled')
            back = socket.socket(socket.AF_UNIX)
            back.bind(os.environ['HERO_FLOW_SPAN_SOCK']); back.listen(); back.setblocking(False)
            root.log('still spooled')
            if not os.fork():
                root.log('of a child'); os._exit(0)
            os.wait()
            try: back.accept()
            except BlockingIOError: os.write(1, b'nobody came')
            os.unlink(os.environ['HERO_FLOW_SPAN_SOCK'])
        """,
        spool=spool,
        hang_up_at="before",
    )

    assert (play.stdout, play.stderr) == ("nobody came", "")
    assert play.logs == ["before", "spooled", "still spooled", "of a child"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_the_spool_is_its_owners_alone(spool: str, umask: int) -> None:
    """And it is closed in programs that the flow starts."""
    play = run_play(
        f"""
        import os
        os.umask({umask})
        flow.log('x'); ours.close()
        with flow.step('s'): pass
        print(os.get_inheritable(hero_tracing._writer.spool))
        """,
        first=OWN_LISTENER,
        spool=spool,
    )

    assert stat.S_IMODE(os.stat(spool).st_mode) == 0o600
    assert play.stdout == "False\n"


def test_without_need_there_is_no_spool(spool: str) -> None:
    """A listener that takes everything leaves no file behind."""
    play = run_play("with flow.step('s'): pass", spool=spool)

    assert play.span("s").status == "ok"
    assert not os.path.exists(spool)


@pytest.mark.parametrize("how", ["no socket", "stale socket", "dead descriptor", "no descriptor"])
def test_a_process_that_finds_no_listener_spools_from_the_start(tmp_path: Path, spool: str, how: str) -> None:
    """A program that the flow starts after the listener has gone is recorded all the same."""
    path = tmp_path / "sock"
    variables = {"HERO_FLOW_SPAN_SOCK": str(path)}
    first = ""
    if how == "stale socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    elif how == "dead descriptor":
        first = OWN_LISTENER + "; ours.close()"
    elif how == "no descriptor":
        variables = {"HERO_FLOW_SPAN_SOCK": "", "HERO_FLOW_SPAN_FD": "77"}
    play = run_play(
        "with flow.step('s') as s: s.log('x')", "-X", "dev", first=first, spool=spool, **variables
    )

    assert (play.returncode, play.stderr) == (0, "")
    assert [event["type"] for event in whole_lines(play.spool)] == ["span_start", "span_log", "span_end"]


def test_a_spool_alone_is_no_runtime(spool: str) -> None:
    """Without a socket to speak of the SDK does nothing."""
    play = run_play("print(type(flow).__name__)", spool=spool, HERO_FLOW_SPAN_SOCK="")

    assert play.stdout == "_Flow\n"
    assert not os.path.exists(spool)


def test_a_process_without_descriptors_left_can_still_spool(spool: str) -> None:
    """The socket is closed first, so that the file has a number to get."""
    play = run_play(
        """
        import resource
        with flow.step('root') as root:
            root.log('before'); input()
            resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
            taken = []
            try:
                while True: taken.append(os.dup(0))
            except OSError: pass
            root.log('after')
            for number in taken: os.close(number)
        print(hero_tracing._writer.lost)
        """,
        first="import os",
        spool=spool,
        hang_up_at="before",
    )

    assert (play.stdout, play.stderr) == ("0\n", "")
    assert play.span("root").status == "ok"


def test_the_spool_is_no_resource_warning_at_the_end(spool: str) -> None:
    """The end of the process is as silent as ever, in development mode too."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", IMPORTS + "with flow.step('s'): print('x')"],
        env=clean_environment(HERO_FLOW_SPAN_SOCK="/nonexistent/s", HERO_FLOW_SPAN_SPOOL=spool),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "x\n", "")
    assert len(whole_lines(read_file(spool))) == 3


# --- What a flow may do to it --------------------------------------------------------------------------


def test_a_flow_that_closes_every_descriptor_goes_on_in_the_spool(spool: str) -> None:
    """As a daemon does: the socket is closed under the SDK, and later the spool too."""
    play = run_play(
        """
        import os
        with flow.step('root') as root:
            root.log('on the socket')
            os.closerange(3, 100)
            root.log('first')
            os.closerange(3, 100)
            root.log('second')
        os.write(1, f'{hero_tracing._writer.lost} {hero_tracing._writer.faults}'.encode())
        """,
        spool=spool,
    )

    assert (play.returncode, play.stdout, play.stderr) == (0, "0 0", "")
    assert play.logs == ["on the socket", "first", "second"]
    assert play.span("root").status == "ok"


@pytest.mark.parametrize("which", ["w.socket.fileno()", "w.spool"])
def test_a_file_of_the_flow_under_a_number_of_ours_is_left_alone(
    tmp_path: Path, spool: str, which: str
) -> None:
    """The flow has closed our descriptor, and its file got the number: it is neither written nor closed."""
    mine = tmp_path / "mine"
    play = run_play(
        f"""
        import os
        w = hero_tracing._writer
        with flow.step('root') as root:
            if {which!r} == 'w.spool': ours.close()
            root.log('before')
            number = {which}
            mine = os.open({str(mine)!r}, os.O_WRONLY | os.O_CREAT)
            os.dup2(mine, number)
            root.log('after')
            root.log('and after')
            os.write(number, b'still mine')
        print(w.lost, w.faults)
        """,
        first=OWN_LISTENER,
        spool=spool,
    )

    assert (play.returncode, play.stdout, play.stderr) == (0, "0 0\n", "")
    assert mine.read_bytes() == b"still mine"
    assert [text for text in play.logs if text != "before"] == ["after", "and after"]


def test_a_spool_that_the_flow_removes_is_made_anew(spool: str) -> None:
    """A flow that empties its work directory loses what was in the file, and no descriptor stays behind."""
    play = run_play(
        f"""
        import os
        with flow.step('root') as root:
            ours.close()
            root.log('removed')
            before = len(os.listdir('/proc/self/fd'))
            for n in range(20):
                os.unlink({spool!r})
                root.log(f'after {{n}}')
        print(len(os.listdir('/proc/self/fd')) - before)
        """,
        first=OWN_LISTENER,
        spool=spool,
    )

    assert (play.stdout, play.stderr) == ("0\n", "")
    assert play.logs == ["after 19"]


def put_link(path: Path) -> None:
    path.with_name("target").write_bytes(b"target")
    path.symlink_to(path.with_name("target"))


def put_second_name(path: Path) -> None:
    path.with_name("target").write_bytes(b"target")
    os.link(path.with_name("target"), path)


def put_pipe(path: Path) -> None:
    os.mkfifo(path)


def put_pipe_with_a_reader(path: Path) -> None:
    os.mkfifo(path)
    os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def put_directory(path: Path) -> None:
    path.mkdir()


def put_anothers(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path.touch()
    os.chown(path, 12345, -1)


ODDITIES = [put_link, put_second_name, put_pipe, put_pipe_with_a_reader, put_directory, put_anothers]


@pytest.mark.parametrize("put", ODDITIES)
def test_what_is_no_file_of_the_plays_own_is_never_written(spool: str, put: Callable[[Path], None]) -> None:
    """Then both ways are gone: the flow goes on, silently, nothing leaks, and the losses are counted."""
    put(Path(spool))
    play = run_play(
        """
        with flow.step('before'): pass
        ours.close()
        descriptors = len(os.listdir('/proc/self/fd'))
        for _ in range(10):
            with flow.step('s') as s: s.log('x')
        print(hero_tracing._writer.lost, hero_tracing._writer.faults)
        print(len(os.listdir('/proc/self/fd')) - descriptors)
        """,
        "-X",
        "dev",
        first=OWN_LISTENER,
        spool=spool,
    )

    assert (play.returncode, play.stdout.split(), play.stderr) == (0, ["30", "0", "-1"], "")
    assert read_file(spool) in (b"", b"target")


@pytest.mark.parametrize("put", ODDITIES)
def test_neither_listener_nor_spool_at_the_start_is_a_silent_no_op(
    spool: str, put: Callable[[Path], None]
) -> None:
    """The flow runs as it would without the runtime."""
    put(Path(spool))
    play = run_play("print(type(flow).__name__)", spool=spool, HERO_FLOW_SPAN_SOCK="/nonexistent/s")

    assert (play.returncode, play.stdout, play.stderr) == (0, "_Flow\n", "")


def test_a_spool_that_can_be_had_later_is_used_then(spool: str) -> None:
    """What was in its place is gone: from then on events are kept, and the lost are told."""
    os.mkdir(spool)
    play = run_play(
        f"""
        with flow.step('root') as root:
            ours.close()
            for _ in range(5): root.log('lost')
            os.rmdir({spool!r})
            root.log('kept')
        """,
        first=OWN_LISTENER,
        spool=spool,
    )

    assert play.logs == ["kept"]
    assert lost_counts(play.spool) == [5]


# --- Forks, signals, finalizers ------------------------------------------------------------------------


@pytest.mark.parametrize("by_descriptor", [False, True])
def test_forked_children_share_the_spool_line_by_line(spool: str, by_descriptor: bool) -> None:
    """Children from before the listener went and from after it: lines stay whole, and ids differ."""
    play = run_play(
        """
        own = 'ours' in globals()
        read, write = os.pipe()
        def work(name):
            for n in range(100):
                with flow.step(f'{name} {n}') as s: s.log('x' * 3000)
        def fork(name):
            if not os.fork():
                if name == 'early':
                    os.close(write)
                    os.read(read, 1)  # until the listener is gone
                work(name)
                os._exit(hero_tracing._writer.faults or hero_tracing._writer.lost)
        with flow.step('root') as root:
            fork('early')
            root.log('before')
            if own: ours.shutdown(socket.SHUT_RDWR)
            else: input()
            os.close(write)
            root.log('in between')
            for name in ('late', 'later'): fork(name)
            work('parent')
        print([os.wait()[1] for _ in range(3)])
        """,
        first=OWN_LISTENER if by_descriptor else "import os",
        spool=spool,
        hang_up_at="" if by_descriptor else "before",
    )

    assert (play.returncode, play.stdout, play.stderr) == (0, "[0, 0, 0]\n", "")
    assert len(whole_lines(play.spool)) == 4 * 100 * 3 + 2
    assert len(play.spans) == 401
    assert all(span.status == "ok" for span in play.spans)


def test_a_signal_handler_in_the_middle_of_a_spooled_line_writes_right_after_it(spool: str) -> None:
    """Neither a deadlock nor a mixed line."""
    play = run_play(
        """
        import signal
        write, inside = os.write, []
        def interrupted(number, data):
            if not inside:
                inside.append(1)
                signal.raise_signal(signal.SIGUSR1)
            return write(number, data)
        signal.signal(signal.SIGUSR1, lambda *_: flow.log('from the handler'))
        with flow.step('root') as root:
            ours.close()
            root.log('first')
            os.write = interrupted
            root.log('interrupted'); root.log('next')
            os.write = write
        """,
        first=OWN_LISTENER,
        spool=spool,
    )

    assert play.returncode == 0, play.stderr
    assert play.logs == ["first", "interrupted", "from the handler", "next"]


def test_signals_at_any_time_lose_and_mix_nothing_of_the_spool(spool: str) -> None:
    """Under a fast timer whose handler writes spans, through the change to the spool and after it."""
    play = run_play(
        """
        import signal
        count = [0]
        def handler(number, frame):
            count[0] += 1
            with flow.step('handler') as s: s.log('tick')
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        with flow.step('root') as root: root.log('before'); input()
        while count[0] < 200:
            with flow.step('work') as s: s.log('x' * 100)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(count[0], hero_tracing._writer.lost)
        """,
        spool=spool,
        hang_up_at="before",
    )

    assert play.returncode == 0, play.stderr
    assert play.stdout.split()[1] == "0"
    assert sum(span.name == "handler" for span in play.spans) == int(play.stdout.split()[0])
    assert all(span.ends == 1 and len(span.logs) == 1 for span in play.spans)
    assert play.spool


def test_an_interrupt_inside_a_spooled_line_goes_through_and_spoils_no_later_one(spool: str) -> None:
    """KeyboardInterrupt in the SDK reaches the flow; what was cut is ended before the next line."""
    play = run_play(
        """
        write = os.write
        def half(number, data):
            os.write = write
            write(number, data[:20])
            raise KeyboardInterrupt
        with flow.step('root') as root:
            ours.close()
            root.log('first')
            os.write = half
            try: root.log('cut')
            except KeyboardInterrupt: went_through = True
            root.log('whole')
        print(went_through)
        """,
        first=OWN_LISTENER,
        spool=spool,
    )

    assert play.stdout == "True\n"
    lines = [line for line in play.spool.split(b"\n") if line]
    assert lines[1] == b'{"type":"span_log","'
    assert [json.loads(lines[n])["type"] for n in (0, 2, 3)] == ["span_log", "span_log", "span_end"]
