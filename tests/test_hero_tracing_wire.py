"""What the SDK writes, and what it does when nobody reads."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap

import pytest

from hero_logic.core.wire import decode_lines
from support.sdk_plays import (
    IMPORTS,
    Listener,
    clean_environment,
    deaf_listener,
    lost_counts,
    read_all,
    run_play,
    run_stalled,
)


def test_hello_comes_first_and_once() -> None:
    """A connection opens with its hello: protocol 1, a writer, the pid."""
    play = run_play("import os; print(os.getpid())")

    (hello,) = play.hellos
    assert play.lines[0].startswith(b'{"type":"hello"')
    assert set(hello) == {"type", "protocol", "writer", "pid"}
    assert (hello["protocol"], hello["pid"]) == (1, int(play.stdout))
    assert hello["writer"]


def test_no_event_of_many_threads_is_lost_or_numbered() -> None:
    """Nothing is ever sent again, so that no event needs a ``seq`` to be known by."""
    play = run_play("""
        import threading
        def work():
            for _ in range(200):
                with flow.step('s') as s: s.log('x')
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
    """)

    assert len(play.events) == 4 * 200 * 3
    assert not any("seq" in event for event in play.events)


def test_span_ids_are_16_hex_digits_and_differ() -> None:
    """8 digits of the process, 8 of a counter, never all zero."""
    play = run_play("for _ in range(100): flow.step('s').__enter__()")

    ids = [span.span_id for span in play.spans]
    assert len(set(ids)) == 100
    assert len({span_id[:8] for span_id in ids}) == 1
    assert all(len(span_id) == 16 and int(span_id, 16) for span_id in ids)


def test_every_line_is_an_event_of_the_protocol() -> None:
    """The runtime's own reader takes every line that the SDK writes."""
    play = run_play("""
        class Client:
            def get(self, path): return path
        with flow.step('s\\x00\\ud800', a='\\ud800', b=[{}], c=2**80) as s:
            s.log('x'); s.log('y', level='info'); s.tag(d=float('nan'))
            instrument(Client()).get('/')
            for _ in flow.track([1, 2]): pass
        try:
            with flow.span('t'): raise ValueError('\\udfff')
        except ValueError: pass
    """)

    assert play.returncode == 0, play.stderr
    decoded = decode_lines(play.connections[0])
    assert decoded.bad_lines == []
    assert len(decoded.events) == len(play.lines) == 15


def test_sigkill_loses_nothing_that_came_before() -> None:
    """When a call returns, its event is with the kernel: killing the process takes nothing back."""
    play = run_play("""
        import os, signal
        for n in range(500):
            with flow.step(f's{n}') as s: s.log('x')
        os.kill(os.getpid(), signal.SIGKILL)
    """)

    assert play.returncode == -signal.SIGKILL
    assert len(play.events) == 1500
    assert all(span.status == "ok" for span in play.spans)


def test_a_descriptor_goes_before_a_path() -> None:
    """HERO_FLOW_SPAN_FD is taken first, and stays as inheritable as it was."""
    play = run_play(
        """
        import os
        with flow.step('s'): pass
        print(os.get_inheritable(int(os.environ['HERO_FLOW_SPAN_FD'])))
        """,
        by_descriptor=True,
    )

    assert len(play.connections) == 1
    assert play.span("s").status == "ok"
    assert play.stdout.strip() == "True"


@pytest.mark.parametrize("number", ["77", "x", "-1", "0"])
def test_a_descriptor_that_is_no_connected_socket_leaves_the_path(number: str) -> None:
    """A number that leads nowhere (in a process started with close_fds) is passed over."""
    play = run_play("with flow.step('s'): pass", HERO_FLOW_SPAN_FD=number)

    assert play.span("s").status == "ok"


def test_the_connection_is_closed_in_programs_that_the_flow_starts() -> None:
    """The SDK's own descriptor is not inherited through exec."""
    play = run_play("""
        import os
        with flow.step('s'):
            fds = [fd for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')]
            sockets = [fd for fd in fds if 'socket' in os.readlink(f'/proc/self/fd/{fd}')]
            print([os.get_inheritable(int(fd)) for fd in sockets])
    """)

    assert play.stdout.strip() == "[False]"


@pytest.mark.parametrize("path", ["/nonexistent/s", "/dev/null", "x" * 200, "/"])
def test_nobody_to_connect_to_is_a_silent_no_op(path: str) -> None:
    """Where the connect fails, the flow runs as it would without the runtime."""
    play = run_play(
        """
        @flow
        def f():
            with flow.step('s', a=1) as s: s.log('x')
            return 5
        print(f(), type(flow).__name__)
        """,
        "-X",
        "dev",
        HERO_FLOW_SPAN_SOCK=path,
    )

    assert (play.returncode, play.stdout, play.stderr) == (0, "5 _Flow\n", "")


def test_a_dead_socket_turns_the_sdk_off() -> None:
    """After the listener has gone the flow goes on, silently, SIGPIPE or not, and the losses are counted."""
    play = run_play(
        """
        import signal
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        with flow.step('before'): pass
        ours.close()
        for _ in range(10):
            with flow.step('s') as s: s.log('x')
        print(hero_tracing._writer.lost, hero_tracing._writer.socket, hero_tracing._writer.faults)
        """,
        first="import os, socket; ours, theirs = socket.socketpair(); "
        "os.environ['HERO_FLOW_SPAN_FD'] = str(theirs.fileno())",
    )

    assert (play.returncode, play.stdout, play.stderr) == (0, "30 None 0\n", "")


STALLED = """
    import os, select, sys, time
    hero_tracing._STALL_S = 0.2
    before = time.monotonic()
    with flow.step('root') as root:
        for n in range(2000):
            root.log('x' * 1000)
        took = time.monotonic() - before
        lost = hero_tracing._writer.lost
        assert 0 < lost < 2000 and 0.15 < took < 5, (lost, took)
        sys.__stdout__.write('stalled\\n'); sys.__stdout__.flush()
        sys.stdin.read(1)
        select.select([], [hero_tracing._writer.socket], [], 30)
        root.log('flowing again')
        root.log('and again')
    print(lost, hero_tracing._writer.lost)
"""


def test_a_stalled_listener_holds_the_flow_for_a_while_and_no_longer() -> None:
    """Past the limit events are dropped at once; when writing works again, hero.lost says how many."""
    play = run_stalled(STALLED)
    data = b"".join(play.connections)

    assert play.returncode == 0, play.stderr
    first, lost, lost_at_the_end = play.stdout.split()
    assert (first, lost) == ("stalled", lost_at_the_end)
    assert f'"tags":{{"hero.lost":{lost}}}'.encode() in data
    assert b"flowing again" in data
    assert b"and again" in data


def test_without_a_spool_a_stall_sheds_logs_first() -> None:
    """Past the limit a log is dropped at once, and anything else only after a short wait of its own."""
    play = run_stalled("""
        import select, sys
        hero_tracing._STALL_S, hero_tracing._STALLED_S = 0.2, 0.1
        w = hero_tracing._writer
        await_room, waits = w._await_room, []
        def count_waits(limit_s):
            waits.append(limit_s)
            await_room(limit_s)
        with flow.step('root') as root:
            while not w.lost: root.log('x' * 1000)
            w._await_room = count_waits
            for _ in range(5): root.log('x' * 1000)
            logs = len(waits)
            root.tag(a='x' * 1000)
            tags = len(waits)
            lost = w.lost
            sys.__stdout__.write(f'{lost} {logs} {tags} {max(waits) <= 0.1}\\n')
            sys.stdin.read(1)
            select.select([], [w.socket], [], 30)
            root.tag(b=1)
        print(w.stalled)
    """)

    assert (play.returncode, play.stderr) == (0, "")
    assert play.stdout.splitlines() == ["7 0 1 True", "False"]
    assert lost_counts(b"".join(play.connections)) == [7]


def test_a_line_cut_by_a_stall_takes_its_connection_with_it() -> None:
    """Half a line is never followed by another: the connection is closed, the next event opens a new one."""
    script = """
        import socket, threading, time, sys, os
        hero_tracing._STALL_S = 0.2
        w = hero_tracing._writer
        w.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with flow.step('root') as root:
            root.log('y' * 200_000)
            assert w.lost == 1 and w.socket is None, (w.lost, w.socket)
            root.log('on a new connection')
            assert w.lost == 1 and w.socket is not None
    """
    with deaf_listener() as (listener, environment):
        done = subprocess.run(
            [sys.executable, "-c", IMPORTS + textwrap.dedent(script)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        streams = [read_all(listener.accept()[0]) for _ in range(2)]

    assert done.returncode == 0, done.stderr
    assert streams[0].count(b"\n") == 2
    assert not streams[0].endswith(b"\n")
    kinds = [line.split(b'"')[3] for line in streams[1].splitlines()]
    assert kinds == [b"hello", b"span_log", b"span_tag", b"span_end"]
    assert b'"hero.lost":1' in streams[1]


def test_what_was_lost_is_said_at_the_end_of_the_process() -> None:
    """A stall that lasts to the end must not take the number of the lost with it."""
    script = """
        hero_tracing._STALL_S = 0.1
        with flow.step('root') as root:
            while not hero_tracing._writer.lost:
                root.log('x' * 1000)
        print(hero_tracing._writer.lost)
    """
    play = run_stalled(script)

    assert play.returncode == 0
    assert f'"tags":{{"hero.lost":{play.stdout.split()[-1]}}}'.encode() in b"".join(play.connections)


def test_a_full_queue_of_connections_is_waited_for() -> None:
    """A listener that is slow to accept is a slow one, not a dead one: the first event waits for it."""
    with deaf_listener(backlog=0) as (listener, environment), socket.socket(socket.AF_UNIX) as filler:
        filler.connect(listener.getsockname())
        listener.settimeout(60)
        script = """
            sleep = hero_tracing._sleep
            def tell_and_sleep(seconds):
                print('waits', flush=True)
                sleep(seconds)
            hero_tracing._sleep = tell_and_sleep
            with flow.step('s'): pass
        """
        process = subprocess.Popen(
            [sys.executable, "-c", IMPORTS + textwrap.dedent(script)],
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert process.stdout
        assert process.stdout.readline() == b"waits\n"
        listener.accept()[0].close()
        data = read_all(listener.accept()[0])
        process.communicate(timeout=60)

    assert [line.split(b'"')[3] for line in data.splitlines()] == [b"hello", b"span_start", b"span_end"]


def test_a_signal_handler_in_the_middle_of_a_line_writes_right_after_it() -> None:
    """A handler that logs while its own thread holds the lock neither deadlocks nor mixes lines."""
    play = run_play("""
        import signal
        w = hero_tracing._writer
        send, inside = w.send, []
        def send_and_interrupt(line, flags):
            if not inside:
                inside.append(1)
                signal.raise_signal(signal.SIGUSR1)
            return send(line, flags)
        def handler(number, frame):
            flow.log('from the handler')
            with flow.step('in the handler'): pass
            print('and printed')
        signal.signal(signal.SIGUSR1, handler)
        with flow.step('root'):
            w.send = send_and_interrupt
            flow.log('interrupted')
            flow.log('next')
    """)

    assert play.returncode == 0, play.stderr
    assert play.span("root").logs == ["interrupted", "from the handler", "and printed", "next"]
    assert play.parent_name("in the handler") == "root"


def test_signals_at_any_time_lose_and_mix_nothing() -> None:
    """Under a fast timer whose handler writes spans, every line is whole and every span ends."""
    play = run_play("""
        import signal
        count = [0]
        def handler(number, frame):
            count[0] += 1
            with flow.step('handler') as s: s.log('tick')
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        while count[0] < 200:
            with flow.step('work') as s: s.log('x' * 100)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(count[0])
    """)

    assert play.returncode == 0, play.stderr
    assert sum(span.name == "handler" for span in play.spans) == int(play.stdout)
    assert all(span.ends == 1 and len(span.logs) == 1 for span in play.spans)


def test_a_finalizer_in_the_middle_of_a_line_does_not_deadlock() -> None:
    """Garbage that logs when it is collected may be collected at any moment."""
    play = run_play("""
        import gc
        class Noisy:
            def __init__(self): self.me = self
            def __del__(self): flow.log('finalized')
        gc.set_threshold(20)
        with flow.step('root'):
            for _ in range(300):
                Noisy()
                with flow.step('s', a=[1, {}]) as s: s.log('x')
            gc.collect()
    """)

    assert play.returncode == 0, play.stderr
    logs = [log for span in play.spans for log in span.logs]
    assert logs.count("finalized") == 300


def test_an_interrupt_inside_a_write_goes_through_and_spoils_no_later_line() -> None:
    """KeyboardInterrupt in the SDK reaches the flow; what may have been cut is ended by a blank line."""
    play = run_play("""
        w = hero_tracing._writer
        send = w.send
        def half(line, flags):
            w.send = send
            send(line[:20], flags)
            raise KeyboardInterrupt
        with flow.step('root') as root:
            w.send = half
            try: root.log('cut')
            except KeyboardInterrupt: print('went through')
            root.log('whole')
    """)

    assert play.stdout.strip() == "went through"
    assert b'{"type":"span_log","\n' in play.connections[0]
    assert play.connections[0].count(b'"whole"') == 1


def test_the_end_of_the_process_is_silent() -> None:
    """No ResourceWarning, no traceback, no output: not even in development mode."""
    play = run_play("with flow.step('s'): print('x')", "-X", "dev", "-W", "error")

    assert (play.returncode, play.stdout, play.stderr) == (0, "x\n", "")


def test_nothing_of_a_listener_is_needed_at_the_end() -> None:
    """A listener that has seen an event has seen it before the process ends."""
    listener = Listener()
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORTS + "flow.step('s').__enter__()\nimport sys\nsys.stdin.read()"],
        env=clean_environment(HERO_FLOW_SPAN_SOCK=listener.path),
        stdin=subprocess.PIPE,
    )
    seen = listener.wait_for(b"span_start")
    running = process.poll() is None
    process.communicate(timeout=30)
    listener.close()

    assert seen
    assert running
