"""The span listener against every kind of writer: its path, its reading, its bounds, its end."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hero_logic.core.errors import BadSid, SocketInUse
from hero_logic.core.lines import Chunk
from hero_logic.runner.span_socket import SpanListener, play_socket_path
from support.listening import MIB, Listening, Sink, event
from support.waiting import wait_until

# The path


@pytest.mark.parametrize("sid", ["", "a" * 65, "../x", "a/b", "a b", "a.b", "ä", "a\0", "a\n", "²", "-" * 65])
def test_a_sid_that_no_play_can_have_is_refused(sid: str) -> None:
    """A sid is refused, never cleaned up into another one."""
    with pytest.raises(BadSid):
        play_socket_path(sid)


@pytest.mark.parametrize("sid", ["a", "A-Z_09", "-", "_" * 64])
def test_every_character_of_a_sid_stands_in_its_path(sid: str) -> None:
    """The path is /tmp/spans-SID.sock."""
    assert play_socket_path(sid) == f"/tmp/spans-{sid}.sock"


def test_the_directory_of_sockets_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """HERO_LOGIC_RUNTIME_DIR is where the sockets are."""
    monkeypatch.setenv("HERO_LOGIC_RUNTIME_DIR", "/somewhere")

    assert play_socket_path("s") == "/somewhere/spans-s.sock"


def test_a_listener_at_a_path_of_the_caller_checks_the_sid_too(directory: Path) -> None:
    """A path of one's own makes no other sid valid."""
    with pytest.raises(BadSid):
        SpanListener.with_socket_path("a b", None, str(directory / "s"))


@pytest.mark.parametrize(("length", "is_bound"), [(107, True), (108, False)])
def test_a_path_has_at_most_107_bytes(directory: Path, length: int, is_bound: bool) -> None:
    """A path of the system's limit is bound; a longer one is a clear error, not another path."""
    path = f"{directory}/".ljust(length, "x")
    listener = SpanListener.with_socket_path("s", None, path)
    if is_bound:
        listener.bind()
        assert os.path.exists(path)
    else:
        with pytest.raises(SocketInUse, match="107 bytes"):
            listener.bind()

    listener.close()


def test_a_directory_that_is_not_there_is_a_clear_error(directory: Path) -> None:
    """The error names the path."""
    listener = SpanListener.with_socket_path("s", None, str(directory / "none" / "s"))
    with pytest.raises(SocketInUse, match="none/s"):
        listener.bind()

    listener.close()


def test_the_socket_is_its_owners_alone(listening: Listening) -> None:
    """Mode 0600, whatever the umask."""
    status = os.stat(listening.path)

    assert (stat.S_ISSOCK(status.st_mode), stat.S_IMODE(status.st_mode)) == (True, 0o600)


def test_the_mode_is_0600_under_any_umask(directory: Path) -> None:
    """A umask that forbids the owner does not take the socket from him."""
    before = os.umask(0o777)
    listener = SpanListener("s", None)
    try:
        listener.bind()
        mode = stat.S_IMODE(os.stat(listener.path).st_mode)
    finally:
        os.umask(before)
        listener.close()

    assert mode == 0o600


def test_a_live_socket_is_refused_and_left_alone(listening: Listening) -> None:
    """Who binds a path that somebody listens at gets an error, and the other one goes on."""
    second = SpanListener("play", None)
    with pytest.raises(SocketInUse, match="another process listens"):
        second.bind()
    second.close()
    listening.send(event("still here"))
    listening.handle.finish()

    assert listening.sink.span_ids == ["still here"]


@pytest.mark.parametrize("kind", ["file", "directory", "link to nothing", "link to a socket"])
def test_what_is_no_socket_is_refused_and_left_alone(directory: Path, kind: str) -> None:
    """Anything at the path that is not a socket is an error, a symbolic link too."""
    path = directory / "spans-s.sock"
    made = {
        "file": lambda: path.write_text("precious"),
        "directory": path.mkdir,
        "link to nothing": lambda: path.symlink_to("nowhere"),
        "link to a socket": lambda: path.symlink_to("/run/some.sock"),
    }
    made[kind]()
    before = os.lstat(path)
    listener = SpanListener("s", None)
    with pytest.raises(SocketInUse, match="no socket"):
        listener.bind()
    listener.close()

    assert os.lstat(path).st_ino == before.st_ino
    if kind == "directory":
        path.rmdir()


def test_a_stale_socket_is_replaced(directory: Path) -> None:
    """A socket that nobody listens on makes way."""
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(directory / "spans-play.sock"))
    left.close()
    opened = Listening(directory)
    opened.send(event("a"))
    opened.handle.finish()

    assert opened.sink.span_ids == ["a"]


def test_a_live_socket_with_a_full_backlog_is_not_taken_for_stale(directory: Path) -> None:
    """A listener that is too busy to accept still lives."""
    path = str(directory / "spans-s.sock")
    busy = socket.socket(socket.AF_UNIX)
    busy.bind(path)
    busy.listen(0)
    waiting = []
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        waiting.append(client)
        if client.connect_ex(path) == errno.EAGAIN:
            break
    listener = SpanListener("s", None)
    with pytest.raises(SocketInUse):
        listener.bind()
    listener.close()
    for client in [*waiting, busy]:
        client.close()

    assert os.path.exists(path)


# Its end


@pytest.mark.parametrize("is_run", [False, True])
def test_the_socket_is_unlinked_at_the_end(directory: Path, is_run: bool) -> None:
    """Whether it ran or was only bound."""
    listener = SpanListener("s", Sink())
    listener.bind()
    if is_run:
        listener.run().finish()
    listener.close()

    assert not os.path.exists(listener.path)


def test_the_socket_is_unlinked_where_the_sink_raises(directory: Path) -> None:
    """What ends the listener against its will is told by the handle, and nothing is left behind."""

    class Broken(Sink):
        def write(self, chunk: Chunk) -> bool:
            raise ZeroDivisionError("the sink")

    listener = SpanListener("s", Broken())
    listener.bind()
    handle = listener.run()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(listener.path)
        client.sendall(event("a"))
        with pytest.raises(ZeroDivisionError, match="the sink"):
            handle.wait()

    assert not os.path.exists(listener.path)


def test_asking_a_listener_that_has_ended_to_end_touches_no_other_file(directory: Path) -> None:
    """The numbers of its descriptors may be another file's by then."""
    listener = SpanListener("s", Sink())
    listener.bind()
    handle = listener.run()
    handle.finish()
    reader, writer = os.pipe()
    pipes = [(reader, writer), *(os.pipe() for _ in range(8))]
    listener.request_end(0.0)
    handle.finish()
    written = select.select([read for read, _ in pipes], [], [], 0)[0]
    for descriptors in pipes:
        for descriptor in descriptors:
            os.close(descriptor)

    assert written == []


def test_a_listener_that_was_never_bound_leaves_no_descriptor_open(directory: Path) -> None:
    """Closing is enough, also where bind() failed."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        listener = SpanListener.with_socket_path("s", None, str(directory / "none" / "s"))
        with pytest.raises(SocketInUse):
            listener.bind()
        listener.close()

    assert len(os.listdir("/proc/self/fd")) == before


def test_the_path_of_another_one_is_not_unlinked(directory: Path) -> None:
    """A socket that took our place meanwhile stays."""
    listener = SpanListener("s", None)
    listener.bind()
    os.unlink(listener.path)
    other = socket.socket(socket.AF_UNIX)
    other.bind(listener.path)
    listener.close()
    is_there = os.path.exists(listener.path)
    other.close()

    assert is_there


def test_closing_twice_is_harmless(directory: Path) -> None:
    """The second time there is nothing left to do."""
    listener = SpanListener("s", None)
    listener.bind()
    listener.close()
    listener.close()

    assert not os.path.exists(listener.path)


def test_an_end_that_was_asked_for_before_it_runs_is_heeded(directory: Path) -> None:
    """A signal may come at any moment; what is there by then is read."""
    sink = Sink()
    listener = SpanListener("s", sink)
    listener.bind()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(listener.path)
        client.sendall(event("a"))
    listener.request_end(10.0)
    listener.run().wait()

    assert sink.span_ids == ["a"]


def test_a_signal_handler_may_ask_for_the_end(directory: Path) -> None:
    """The main thread is waiting meanwhile, and wakes."""
    opened = Listening(directory)
    before = signal.signal(signal.SIGTERM, lambda *_: opened.listener.request_end(0.0))
    try:
        with opened.connect() as client:
            client.sendall(event("a"))
            wait_until(lambda: opened.sink.chunks, "the event")
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGTERM)).start()
            opened.handle.wait()
    finally:
        signal.signal(signal.SIGTERM, before)

    assert (opened.sink.span_ids, opened.sink.ended) == (["a"], ["1"])


def test_a_signal_that_came_just_before_the_wait_is_not_slept_through(directory: Path) -> None:
    """What the interpreter was told too late to see before it waits is acted on all the same."""
    opened = Listening(directory)
    before = signal.signal(signal.SIGTERM, lambda *_: opened.listener.request_end(0.0))
    try:
        # To another thread, so that nothing wakes this one: the same as a moment too early.
        threading.Timer(0.05, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
        opened.handle.wait()
    finally:
        signal.signal(signal.SIGTERM, before)

    assert not os.path.exists(opened.listener.path)


def test_a_listener_has_ended_once_its_socket_is_gone_and_its_thread_too(directory: Path) -> None:
    """Who waited finds nothing of it: no file, no thread, no descriptor."""
    before = len(os.listdir("/proc/self/fd"))
    opened = Listening(directory)
    opened.send(event("a"))
    opened.handle.finish()

    assert not os.path.exists(opened.path)
    assert "span-loop" not in {thread.name for thread in threading.enumerate()}
    assert len(os.listdir("/proc/self/fd")) == before


# Reading


def test_the_chunks_of_a_connection_are_its_stream(listening: Listening) -> None:
    """In order, nothing lost, nothing twice, whatever pieces it was written in; each ends with a line."""
    code = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "data = b''.join(b'%d %s\\n' % (n, b'x' * (n * 37 % 900)) for n in range(10_000))\n"
        "at = 0\n"
        "while at < len(data): at += s.send(data[at:at + 1 + at * 31 % 5000])\n"
    )
    subprocess.run([sys.executable, "-c", code, listening.path], check=True)
    listening.handle.finish()

    expected = b"".join(b"%d %s\n" % (n, b"x" * (n * 37 % 900)) for n in range(10_000))
    assert listening.sink.data_of("1") == expected
    assert all(chunk.data.endswith(b"\n") for chunk in listening.sink.chunks)


def test_a_chunk_says_where_it_ends_in_its_stream(directory: Path) -> None:
    """Discarded lines count as soon as they are known, held bytes not yet, the last line at its end."""
    opened = Listening(directory, max_line_bytes=5)
    sent = 0
    with opened.connect() as client:
        for piece in (b"one\n", b"tw", b"o\nx", b"12345", b"789", b"0\n1\n", b"2\nyyyyyyyyy\n3\n4", b"5"):
            client.sendall(piece)
            sent += len(piece)
            wait_until(lambda: opened.handle.report.bytes == sent, "the piece")  # noqa: B023
    opened.handle.finish()

    assert [(chunk.data, chunk.position, chunk.oversize) for chunk in opened.sink.chunks] == [
        (b"one\n", 4, 0),
        (b"two\n", 8, 0),
        (b"", 14, 1),
        (b"1\n", 21, 0),
        (b"2\n3\n", 35, 1),
        (b"45", 37, 0),
    ]


def test_positions_are_those_of_each_connection(listening: Listening) -> None:
    """A second connection begins at 0 again, under its own name."""
    listening.send(event("a"))
    listening.send(event("a") + event("b"))
    listening.handle.finish()

    assert [(chunk.source, chunk.position) for chunk in listening.sink.chunks] == [
        ("1", len(event("a"))),
        ("2", len(event("a") + event("b"))),
    ]


def test_a_chunk_is_a_small_piece(listening: Listening) -> None:
    """However much is there to read: who works it off must be able to stop in between."""
    line = b"x" * 999 + b"\n"
    listening.sink.fill()
    with listening.connect() as client:
        client.setblocking(False)
        sent = 0
        while select.select([], [client], [], 0.1)[1]:
            sent += client.send(line * 500)
    listening.sink.make_room()
    listening.handle.finish()

    assert len(listening.sink.data_of("1")) == sent
    assert max(len(chunk.data) for chunk in listening.sink.chunks) <= 128 * 1024


@pytest.mark.parametrize("end", [b"\n", b"", b"\r\n"])
def test_the_last_line_counts_with_and_without_its_newline(listening: Listening, end: bytes) -> None:
    """At end of file a whole object without a newline is an event."""
    listening.send(event("a") + event("b").rstrip(b"\n") + end)
    report = listening.handle.finish()

    assert (listening.sink.span_ids, listening.sink.malformed) == (["a", "b"], 0)
    assert report.connections == 1


def test_connections_one_after_another_are_one_stream(listening: Listening) -> None:
    """A reconnect goes on where the first connection stopped, under another number."""
    listening.send(event("a"))
    listening.send(event("b"))
    report = listening.handle.finish()

    assert listening.sink.span_ids == ["a", "b"]
    assert (report.connections, listening.sink.ended) == (2, ["1", "2"])


def test_connections_at_once_do_not_mix_their_lines(listening: Listening) -> None:
    """Halves of lines that come in turns belong to their own connections."""
    with listening.connect() as one, listening.connect() as two:
        first, second = event("a" * 50), event("b" * 50)
        for start in range(0, max(len(first), len(second)), 7):
            one.sendall(first[start : start + 7])
            two.sendall(second[start : start + 7])
    listening.handle.finish()

    assert (sorted(listening.sink.span_ids), listening.sink.malformed) == (["a" * 50, "b" * 50], 0)


def test_a_hundred_connections_at_once_lose_nothing(listening: Listening) -> None:
    """Each of a hundred open connections sends twenty events."""
    clients = [listening.connect() for _ in range(100)]
    for number in range(20):
        for index, client in enumerate(clients):
            client.sendall(event(f"{index}-{number}"))
    for client in clients:
        client.close()
    report = listening.handle.finish()

    assert (report.connections, listening.sink.malformed) == (100, 0)
    assert len(set(listening.sink.span_ids)) == 2000


def test_a_writer_of_single_bytes_is_read_as_any_other(listening: Listening) -> None:
    """How the bytes are cut has no meaning."""
    data = event("ä\u2028𝄞", tags={"k": "v\n"}) + event("b")
    with listening.connect() as client:
        for byte in data:
            client.sendall(bytes([byte]))
    listening.handle.finish()

    assert listening.sink.span_ids == ["ä\u2028𝄞", "b"]


@pytest.mark.parametrize(("over", "is_kept"), [(0, True), (1, False)])
def test_a_line_of_a_mebibyte_is_kept_and_one_byte_more_is_not(
    listening: Listening, over: int, is_kept: bool
) -> None:
    """The bytes before the newline count, and the stream goes on after a line that was too long."""
    frame = len(event("long", tags={"t": ""})) - 1
    line = event("long", tags={"t": "x" * (MIB - frame + over)})
    assert len(line) - 1 == MIB + over
    listening.send(line + event("after"))
    report = listening.handle.finish()

    assert listening.sink.span_ids == (["long", "after"] if is_kept else ["after"])
    assert (report.oversize, listening.sink.oversize) == (not is_kept,) * 2


def test_a_line_over_a_smaller_limit_is_told_and_counted(directory: Path) -> None:
    """The limit is the caller's; the sink hears of each line over it."""
    opened = Listening(directory, max_line_bytes=100)
    opened.send(b"x" * 101 + b"\n" + b" " * 101 + b"\r\n" + event("a"))
    report = opened.handle.finish()

    assert (report.oversize, opened.sink.oversize, opened.sink.span_ids) == (2, 2, ["a"])


@pytest.mark.parametrize(
    "garbage",
    [b"\0" * 5000, os.urandom(5000).replace(b"\n", b"."), b"[" * 200_000, b'{"type":"span_start"}', b"7"],
    ids=["zeros", "noise", "depth", "half an event", "a number"],
)
def test_garbage_between_good_lines_is_counted_and_skipped(listening: Listening, garbage: bytes) -> None:
    """It reaches the sink as a line among others, and the stream goes on."""
    listening.send(event("before") + garbage + b"\n" + event("after"))
    listening.handle.finish()

    assert (listening.sink.span_ids, listening.sink.malformed) == (["before", "after"], 1)


def test_garbage_without_any_newline_is_one_malformed_line(listening: Listening) -> None:
    """At the end of the connection what is left is a line."""
    listening.send(os.urandom(5000).replace(b"\n", b"."))
    listening.handle.finish()

    assert (listening.sink.malformed, listening.sink.span_ids) == (1, [])


def test_blank_lines_are_nothing(listening: Listening) -> None:
    """Neither events nor malformed, the last one without a newline too."""
    listening.send(b"\n \n\t\r\n" + event("a") + b"  \t")
    listening.handle.finish()

    assert (listening.sink.span_ids, listening.sink.malformed) == (["a"], 0)


def test_a_writer_that_is_killed_in_the_middle_of_a_line_costs_that_line_alone(listening: Listening) -> None:
    """What it wrote before stands, and the half line is counted."""
    code = (
        "import socket, sys, signal, os\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "s.sendall(sys.argv[2].encode()); os.kill(os.getpid(), signal.SIGKILL)"
    )
    text = (event("whole") + event("half")[:-10]).decode()
    killed = subprocess.run([sys.executable, "-c", code, listening.path, text], check=False)
    listening.handle.finish()

    assert killed.returncode == -signal.SIGKILL
    assert (listening.sink.span_ids, listening.sink.malformed) == (["whole"], 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_peer_of_another_user_is_refused(listening: Listening) -> None:
    """The uid of who connects is checked, also where the file's mode would let it in."""
    os.chmod(listening.path, 0o666)
    os.chmod(os.path.dirname(listening.path), 0o755)
    code = (
        "import os, socket, sys\n"
        "os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "try: s.sendall(sys.argv[2].encode()); s.recv(1)\n"
        "except OSError: pass\n"
    )
    subprocess.run([sys.executable, "-c", code, listening.path, event("evil").decode()], check=True)
    report = listening.handle.finish()

    assert (report.refused_peers, report.connections, listening.sink.chunks) == (1, 0, [])
