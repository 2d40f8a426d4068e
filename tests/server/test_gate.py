"""Who may ask, with a clock that the test moves."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from hero_logic.core.errors import ForeignRequest, NotAuthorized, TooMany, UsageError
from hero_logic.server import gate as gate_module
from hero_logic.server.gate import CODE_S, COOKIE, FAILURES_AT_ONCE, SESSION_S, Bucket, Gate, load_token


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate("secret", host="127.0.0.1", clock_s=clock)


def cookie(session: str) -> bytes:
    """The header of a browser."""
    return f"other=1; {COOKIE}={session}".encode()


def test_the_token_or_a_session_is_enough(gate: Gate) -> None:
    """Either of them."""
    gate.check_who("c", b"Bearer secret", None)
    gate.check_who("c", None, cookie(gate.log_in("c", gate.new_code())))


def test_a_code_lasts_for_five_minutes(gate: Gate, clock: Clock) -> None:
    """Not a moment longer."""
    young, old = gate.new_code(), gate.new_code()
    clock.now_s = CODE_S - 1
    gate.log_in("c", young)
    clock.now_s = CODE_S
    with pytest.raises(NotAuthorized):
        gate.log_in("c", old)


def test_a_session_ends(gate: Gate, clock: Clock) -> None:
    """After twelve hours."""
    session = gate.log_in("c", gate.new_code())
    clock.now_s = SESSION_S - 1
    gate.check_who("c", None, cookie(session))
    clock.now_s = SESSION_S
    with pytest.raises(NotAuthorized):
        gate.check_who("c", None, cookie(session))


@pytest.mark.parametrize("code", ["", "x", "é", "\0", "a" * 10_000])
def test_what_is_no_code_logs_nobody_in(gate: Gate, code: str) -> None:
    """Whatever is tried, and the codes that there are stay good."""
    good = gate.new_code()
    with pytest.raises(NotAuthorized):
        gate.log_in("c", code)

    assert gate.log_in("c", good)


def test_there_are_only_so_many_codes_and_sessions(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go first."""
    monkeypatch.setattr(gate_module, "MAX_CODES", 2)
    monkeypatch.setattr(gate_module, "MAX_SESSIONS", 2)
    codes = [gate.new_code() for _ in range(3)]
    with pytest.raises(NotAuthorized):
        gate.log_in("c", codes[0])
    sessions = [gate.log_in("c", code) for code in codes[1:]]
    sessions.append(gate.log_in("c", gate.new_code()))

    gate.check_who("c", None, cookie(sessions[2]))
    with pytest.raises(NotAuthorized):
        gate.check_who("c", None, cookie(sessions[0]))


def test_who_fails_waits_and_others_do_not(gate: Gate, clock: Clock) -> None:
    """A right token is taken all the same: nobody can lock its owner out."""
    for _ in range(FAILURES_AT_ONCE):
        with pytest.raises(NotAuthorized):
            gate.check_who("bad", b"Bearer guess", None)
    with pytest.raises(TooMany) as told:
        gate.check_who("bad", b"Bearer guess", None)
    with pytest.raises(NotAuthorized):
        gate.check_who("other", b"Bearer guess", None)

    gate.check_who("bad", b"Bearer secret", None)
    clock.now_s += told.value.wait_s
    with pytest.raises(NotAuthorized):
        gate.check_who("bad", b"Bearer guess", None)


def test_without_a_token_nothing_is_asked(clock: Clock) -> None:
    """As the operator has said."""
    Gate(None, host="127.0.0.1", clock_s=clock).check_who("c", None, None)


@pytest.mark.parametrize(
    ("listens_at", "host", "is_ours"),
    [
        ("127.0.0.1", b"127.0.0.1:8420", True),
        ("127.0.0.1", b"localhost.", True),
        ("127.0.0.1", b"192.168.0.1", False),
        ("127.0.0.1", b"\xff", False),
        ("0.0.0.0", b"192.168.0.1:8420", True),
        ("0.0.0.0", b"[2001:db8::1]:8420", True),
        ("0.0.0.0", b"evil.example", False),
        ("plays.example", b"plays.example", True),
        ("plays.example", b"Added.Example:1", True),
        ("::1", b"[::1]", True),
    ],
)
def test_a_host_is_the_servers_or_not(clock: Clock, listens_at: str, host: bytes, is_ours: bool) -> None:
    """An address cannot be made to lead here by somebody else; a name can."""
    gate = Gate("secret", host=listens_at, names=("added.example",), clock_s=clock)
    for _ in range(2):
        if is_ours:
            gate.check_place(host, None)
        else:
            with pytest.raises(ForeignRequest):
                gate.check_place(host, None)


def test_a_request_without_a_host_is_refused(gate: Gate) -> None:
    """HTTP asks for one."""
    with pytest.raises(ForeignRequest):
        gate.check_place(None, None)


def test_a_bucket_fills_again(clock: Clock) -> None:
    """So many a second, up to what it holds, for each client by itself."""
    bucket = Bucket(2, 0.5, clock_s=clock)
    assert [bucket.take("a") for _ in range(3)] == [0.0, 0.0, 2.0]
    assert bucket.take("b") == 0.0
    clock.now_s = 2.0
    assert [bucket.take("a") for _ in range(2)] == [0.0, 2.0]
    clock.now_s = 1000.0
    assert [bucket.take("a") for _ in range(3)] == [0.0, 0.0, 2.0]


def test_a_bucket_does_not_grow(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many clients there are."""
    monkeypatch.setattr(gate_module, "_MAX_KNOWN_CLIENTS", 10)
    bucket = Bucket(1, 1.0, clock_s=clock)
    for number in range(100):
        bucket.take(str(number))

    assert len(bucket._clients) <= 10


def test_servers_that_start_at_once_have_one_token(tmp_path: Path) -> None:
    """Whole, and for its owner alone."""
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_token(str(tmp_path / "home")))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1
    assert os.listdir(tmp_path / "home") == ["server-token"]
    assert stat.S_IMODE(os.stat(tmp_path / "home" / "server-token").st_mode) == 0o600


def test_a_token_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """With its path."""
    (tmp_path / "home").write_text("a file")

    with pytest.raises(UsageError, match="server-token"):
        load_token(str(tmp_path / "home"))
