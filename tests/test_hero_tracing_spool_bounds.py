"""How much the spool takes, and when a listener that stalls is given up for it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support.sdk_plays import (
    IMPORTS,
    OWN_LISTENER,
    deaf_listener,
    lost_counts,
    read_all,
    read_file,
    run_play,
    run_stalled,
    whole_lines,
)


@pytest.fixture
def spool(tmp_path: Path) -> str:
    """The path of a spool that nobody has made yet."""
    return str(tmp_path / "spool")


# --- Its bound -----------------------------------------------------------------------------------------

SMALL = "hero_tracing._SPOOL_BYTES = (100_000, 190_000, 200_000)\n"


def test_logs_are_shed_first(spool: str) -> None:
    """Past half of the bound logs are dropped and counted; starts, tags and ends go on."""
    play = run_play(
        SMALL
        + textwrap.dedent("""
        with flow.step('root') as root:
            ours.close()
            for n in range(200):
                with flow.step(f's{n}') as s:
                    s.log('x' * 1000)
                    s.tag(done=n)
        print(hero_tracing._writer.lost, hero_tracing._writer.faults)
        """),
        first=OWN_LISTENER,
        spool=spool,
    )
    steps = [span for span in play.spans if span.name.startswith("s")]
    logged = [span for span in steps if span.logs]
    bytes_of_last_log = play.spool.rindex(b"span_log")

    assert (play.returncode, play.stderr) == (0, "")
    assert len(steps) == 200
    assert all(span.status == "ok" and "done" in span.tags for span in steps)
    assert 50 < len(logged) < 100
    assert bytes_of_last_log < 100_000 < len(play.spool) < 190_000
    assert play.stdout == f"{200 - len(logged)} 0\n"
    assert lost_counts(play.spool)[-1] == 200 - len(logged)


def test_a_spool_is_bounded_and_says_what_it_could_not_take(spool: str) -> None:
    """Full is full; the number of the lost has room to the end."""
    play = run_play(
        SMALL
        + textwrap.dedent("""
        with flow.step('root') as root:
            ours.close()
            for n in range(2000):
                with flow.step(f's{n}', text='x' * 500): pass
        print(hero_tracing._writer.lost)
        """),
        first=OWN_LISTENER,
        spool=spool,
    )
    events = whole_lines(play.spool)
    kept = [event for event in events if "hero.lost" not in event.get("tags", {})]

    assert (play.returncode, play.stderr) == (0, "")
    assert 180_000 < len(play.spool) <= 200_000
    assert len(kept) + int(play.stdout) == 4001
    assert lost_counts(play.spool)[-1] == int(play.stdout)


def test_a_loss_is_told_on_a_span_that_is_known(spool: str) -> None:
    """Of a span whose start is lost nobody has heard: the one around it says so."""
    play = run_play(
        f"""
        with flow.step('root') as root:
            ours.close()
            root.tag(a=1)
            size = os.path.getsize({spool!r})
            hero_tracing._SPOOL_BYTES = (0, size + 10, size + 10_000)
            with flow.step('lost'): pass
            hero_tracing._SPOOL_BYTES = (0, 10_000, 10_000)
        """,
        first=OWN_LISTENER,
        spool=spool,
    )
    events = whole_lines(play.spool)

    assert lost_counts(play.spool)[-1] == 2
    assert {event["span_id"] for event in events} == {events[0]["span_id"]}


def test_a_log_is_shed_behind_the_lines_of_another_process_too(spool: str) -> None:
    """The newline that ends another's line makes no other line of it."""
    play = run_play(
        f"""
        hero_tracing._SPOOL_BYTES = (1_000, 190_000, 200_000)
        with flow.step('root') as root:
            ours.close()
            root.log('kept')
            with open({spool!r}, 'ab') as another: another.write(b' ' * 1_000)
            root.log('shed')
        """,
        first=OWN_LISTENER,
        spool=spool,
    )

    assert play.logs == ["kept"]
    assert lost_counts(play.spool)[-1] == 1


def test_a_full_spool_has_said_so_before_a_sigkill(spool: str) -> None:
    """Of a process that is killed while nothing fits, at least half of what was lost is on record."""
    play = run_play(
        SMALL
        + textwrap.dedent("""
        import signal
        with flow.step('root') as root:
            ours.close()
            while hero_tracing._writer.lost < 5000: root.tag(text='x' * 500)
            os.kill(os.getpid(), signal.SIGKILL)
        """),
        first=OWN_LISTENER,
        spool=spool,
    )

    assert play.returncode == -signal.SIGKILL
    assert lost_counts(play.spool)[-1] >= 2500
    assert len(play.spool) <= 200_000


def test_a_line_that_a_full_disk_cuts_is_ended_before_the_next(spool: str) -> None:
    """The cut event is lost and counted; the one after it stands on a line of its own."""
    play = run_play(
        f"""
        import resource
        def limit(soft): resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
        with flow.step('root') as root:
            ours.close()
            root.log('first')
            limit(os.path.getsize({spool!r}) + 30)
            root.log('cut'); root.log('no room at all')
            limit(resource.RLIM_INFINITY)
            root.log('after')
        print(hero_tracing._writer.lost, hero_tracing._writer.faults)
        """,
        first=OWN_LISTENER,
        spool=spool,
    )
    lines = play.spool.split(b"\n")

    assert (play.returncode, play.stdout, play.stderr) == (0, "2 0\n", "")
    assert lines[1].startswith(b'{"type":"span_log","span_id":')
    assert len(lines[1]) == 30
    rest = [json.loads(line) for line in lines[2:] if line]
    assert [event["type"] for event in rest] == ["span_log", "span_tag", "span_end"]
    assert rest[0]["text"] == "after"
    assert rest[1]["tags"] == {"hero.lost": 2}


def test_a_line_that_another_process_left_unfinished_is_ended(spool: str) -> None:
    """One that was killed in the middle of its write costs its own line alone, at any time."""
    Path(spool).write_bytes(b'{"cut')
    play = run_play(
        f"""
        with flow.step('root') as root:
            ours.close()
            root.log('first')
            with open({spool!r}, 'ab') as another: another.write(b'{{"cut')
            root.log('second')
        """,
        first=OWN_LISTENER,
        spool=spool,
    )
    lines = [line for line in play.spool.split(b"\n") if line]

    assert [line for line in lines if line == b'{"cut'] == [lines[0], lines[2]]
    assert [json.loads(lines[n]).get("text") for n in (1, 3, 4)] == ["first", "second", None]


# --- A listener that stalls ----------------------------------------------------------------------------


def test_a_listener_that_stalls_for_too_long_is_given_up_for_the_spool(spool: str) -> None:
    """One wait, and then no other: the connection is closed, and every event is in one of the two places."""
    play = run_stalled(
        """
        hero_tracing._STALL_S = 0.2
        w = hero_tracing._writer
        await_room, waits = w._await_room, []
        def count_waits(limit_s):
            waits.append(limit_s)
            await_room(limit_s)
        w._await_room = count_waits
        with flow.step('root') as root:
            for n in range(3000): root.log(f'{n} ' + 'x' * 1000)
            print('stalled', w.socket, len(waits))
        print(w.lost, w.faults)
        """,
        spool=spool,
    )
    first, second = play.stdout.splitlines()

    assert (play.returncode, play.stderr) == (0, "")
    assert (first, second) == ("stalled None 1", "0 0")
    assert len(play.connections) == 1
    assert [text.split()[0] for text in play.logs[:3000]] == [str(n) for n in range(3000)]
    assert play.spool


def test_a_line_that_a_stall_cuts_is_whole_in_the_spool(spool: str) -> None:
    """What is half out ends its connection; the file has all of it."""
    script = """
        import socket
        hero_tracing._STALL_S = 0.2
        hero_tracing._writer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with flow.step('root') as root:
            root.log('y' * 150_000)
            root.log('next')
        assert hero_tracing._writer.lost == 0
    """
    with deaf_listener(HERO_FLOW_SPAN_SPOOL=spool) as (listener, environment):
        subprocess.run(
            [sys.executable, "-c", IMPORTS + textwrap.dedent(script)],
            env=environment,
            timeout=60,
            check=True,
        )
        data = read_all(listener.accept()[0])

    assert not data.endswith(b"\n")
    assert [event.get("text") for event in whole_lines(read_file(spool))] == ["y" * 150_000, "next", None]


def test_a_queue_of_connections_that_stays_full_is_given_up_for_the_spool(spool: str) -> None:
    """A listener that does not even accept stalls like any other."""
    script = """
        hero_tracing._STALL_S = 0.2
        with flow.step('s'): pass
        print(hero_tracing._writer.lost)
    """
    with (
        deaf_listener(backlog=0, HERO_FLOW_SPAN_SPOOL=spool) as (listener, environment),
        socket.socket(socket.AF_UNIX) as filler,
    ):
        filler.connect(listener.getsockname())
        done = subprocess.run(
            [sys.executable, "-c", IMPORTS + textwrap.dedent(script)],
            env=environment,
            stdout=subprocess.PIPE,
            timeout=60,
            check=True,
        )

    assert done.stdout == b"0\n"
    assert [event["type"] for event in whole_lines(read_file(spool))] == ["span_start", "span_end"]
