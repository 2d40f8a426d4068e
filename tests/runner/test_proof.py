"""What a host is proven to keep a play from: a real canary, a cache that forgets, and no grant on trust."""

from __future__ import annotations

import itertools
import marshal
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.tiers import WATCHER, Proof
from hero_logic.runner import proof as module
from hero_logic.runner.proof import Prover, circumstances, forget
from hero_logic.runner.sandbox import isolation, view
from hero_logic.runner.spawner import Spawner
from support.forked import has_landlock, has_namespaces

needs_landlock = pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock of ABI 6")
needs_native = pytest.mark.skipif(
    not (has_landlock() and has_namespaces()), reason="this host lets nobody leave for namespaces"
)
EVERYTHING = [
    "read a file",
    "write a file",
    "connect to a Unix socket",
    "connect to an abstract socket",
    "connect to a port",
    "signal the runtime",
    "signal its parent",
    "read the runtime's environment",
]


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    started = Spawner.start()
    yield started
    started.close()


@pytest.fixture
def made(tmp_path: Path, spawner: Spawner) -> Iterator[Callable[..., Prover]]:
    """Makes provers with one cache, as the commands of one user have; nothing of theirs may be left."""
    numbers = itertools.count()

    def make(*, python: str = sys.executable, forget_first: bool = False) -> Prover:
        return Prover(
            spawner,
            python=python,
            cache_dir=str(tmp_path / "cache"),
            new_name=lambda: f"{os.getpid()}-{abs(hash(str(tmp_path))) % 10**9}-{next(numbers)}",
            forget_first=forget_first,
        )

    yield make
    assert not [path.name for path in Path("/tmp").glob(f"hero-logic-proof-{os.getpid()}-*")]
    if (tmp_path / "cache").is_dir():
        assert not [path.name for path in (tmp_path / "cache").iterdir() if path.name.startswith("proof-")]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The isolations under which a canary ran, in order."""
    ran: list[str] = []
    run = Prover._run

    def counted(self: Prover, *arguments: Any, **options: Any) -> Any:
        ran.append(options["isolation"])
        return run(self, *arguments, **options)

    monkeypatch.setattr(Prover, "_run", counted)
    return ran


def told(proof: Proof) -> tuple[bool, str]:
    return proof.is_granted, proof.problem


def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "sandbox-proofs"


def none_instead(*_: object, **__: object) -> dict[str, object]:
    """The orders of an isolation that does nothing."""
    return isolation.none()


# Granted


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("native", marks=needs_native),
        pytest.param("landlock", marks=needs_landlock),
        WATCHER,
    ],
)
def test_what_holds_is_granted(made: Callable[..., Prover], name: str) -> None:
    """After a real play tried everything and got nowhere."""
    proof = made()(name)

    assert told(proof) == (True, "")
    assert (proof.name, proof.remedy) == (name, "")


# Refused


@pytest.mark.parametrize("name", ["native", "landlock"])
def test_an_isolation_that_does_nothing_is_refused_with_all_that_got_through(
    made: Callable[..., Prover], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Every attempt of the canary gets through where nothing keeps it: none proves anything by accident."""
    monkeypatch.setattr(isolation, name, none_instead)
    proof = made()(name)

    assert told(proof) == (False, f"a flow could {', '.join(EVERYTHING)}")


@needs_landlock
def test_one_thing_that_gets_through_is_enough_and_is_named(
    made: Callable[..., Prover], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a rule too many: the canary can read what was planted, and nothing else."""
    order = isolation.landlock
    monkeypatch.setattr(isolation, "landlock", lambda entries: order([*entries, (str(tmp_path), view.READ)]))
    proof = made()("landlock")

    assert told(proof) == (False, "a flow could read a file")


@pytest.mark.parametrize("name", [pytest.param("native", marks=needs_native)])
def test_an_isolation_that_cannot_be_entered_is_refused_with_what_failed(
    made: Callable[..., Prover], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A step of it went wrong, and the canary was not started."""
    order = isolation.native
    monkeypatch.setattr(
        isolation, name, lambda *given, **more: order(*given, **{**more, "root": str(tmp_path / "none")})
    )
    is_granted, problem = told(made()(name))

    assert not is_granted
    assert "mount" in problem
    assert "No such file" in problem


@pytest.mark.parametrize("name", ["native", "landlock"])
def test_an_interpreter_that_cannot_be_started_proves_nothing(
    made: Callable[..., Prover], tmp_path: Path, name: str
) -> None:
    """That no attempt got through is not enough: the canary must have run."""
    is_granted, problem = told(made(python=str(tmp_path / "python"))(name))

    assert not is_granted
    assert problem


@needs_landlock
def test_a_canary_that_fails_proves_nothing(
    made: Callable[..., Prover], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has to say itself that it tried."""
    monkeypatch.setattr(
        module,
        "CANARY",
        b"from hero_tracing import flow\n@flow\ndef main(**_):\n    raise ValueError('dead')\n",
    )

    assert told(made()("landlock")) == (False, "ValueError: dead")


@needs_landlock
def test_a_canary_that_returns_something_else_proves_nothing(
    made: Callable[..., Prover], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing at all, for one."""
    monkeypatch.setattr(module, "CANARY", b"from hero_tracing import flow\n@flow\ndef main(**_):\n    pass\n")

    assert not made()("landlock").is_granted


def test_a_watcher_that_lets_a_glutton_go_on_is_refused(
    made: Callable[..., Prover], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has to end one that passes its limit; here the limit is out of its reach."""
    monkeypatch.setattr(module, "_GLUTTON_BYTES", 1 << 50)
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.8)
    is_granted, problem = told(made()(WATCHER))

    assert not is_granted
    assert "were not ended" in problem


def test_an_isolation_that_is_not_built_is_refused(made: Callable[..., Prover]) -> None:
    """Nothing runs in less than was asked for."""
    is_granted, problem = told(made()("gvisor"))

    assert not is_granted
    assert "gvisor" in problem


# Kept


def test_a_proof_is_kept_for_the_next_command(made: Callable[..., Prover], runs: list[str]) -> None:
    """It takes a play to find out, and a file to know."""
    first = made()(WATCHER)
    ran = list(runs)
    second = made()(WATCHER)

    assert ran != []
    assert runs == ran
    assert told(first) == told(second)


def test_a_refusal_is_kept_with_its_reason_and_remedy(
    made: Callable[..., Prover], monkeypatch: pytest.MonkeyPatch, runs: list[str]
) -> None:
    """Whoever comes next is told the same."""
    monkeypatch.setattr(isolation, "native", none_instead)
    monkeypatch.setattr(module, "remedy_for", lambda *_: "mend it")
    first = made()("native")
    second = made()("native")

    assert runs == ["native"]
    assert told(second) == told(first)
    assert (second.name, second.remedy) == ("native", "mend it")


def test_a_refusal_is_tried_again_after_a_while(
    made: Callable[..., Prover], monkeypatch: pytest.MonkeyPatch, runs: list[str]
) -> None:
    """It may have been for want of room; a grant is kept."""
    monkeypatch.setattr(module, "_REFUSAL_S", -1.0)
    made()("landlock")
    made()("landlock")
    monkeypatch.setattr(isolation, "native", none_instead)
    made()("native")
    made()("native")

    assert runs == ["landlock", "native", "native"]


def test_one_prover_asks_once(made: Callable[..., Prover], runs: list[str]) -> None:
    """Also where nothing can be kept."""
    prover = made()
    proofs = [prover("gvisor") for _ in range(3)]

    assert runs == ["gvisor"]
    assert proofs[0] is proofs[2]


def test_whoever_asks_anew_is_told_anew(made: Callable[..., Prover], runs: list[str]) -> None:
    """As ``doctor`` does; what it finds is kept for the others."""
    made()("gvisor")
    made(forget_first=True)("gvisor")
    made()("gvisor")

    assert runs == ["gvisor", "gvisor"]


def test_what_is_forgotten_is_tried_anew(
    made: Callable[..., Prover], tmp_path: Path, runs: list[str]
) -> None:
    """A play that could not enter what was proven has it forgotten; harmless where nothing is known."""
    made()("gvisor")
    forget(str(tmp_path / "cache"))
    forget(str(tmp_path / "cache"))
    made()("gvisor")

    assert runs == ["gvisor", "gvisor"]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\0",
        b"garbage",
        marshal.dumps(None),
        marshal.dumps(7),
        marshal.dumps(("one",)),
        marshal.dumps(("one", {}, 3)),
        marshal.dumps({"native": 1}),
        marshal.dumps(("another key", {"gvisor": (True, "", "")})),
    ],
    ids=range(9),
)
def test_a_damaged_cache_is_no_cache(
    made: Callable[..., Prover], tmp_path: Path, runs: list[str], damage: bytes
) -> None:
    """Above all it is no grant; the next proof puts a whole one in its place."""
    (tmp_path / "cache").mkdir()
    cache(tmp_path).write_bytes(damage)

    assert not made()("gvisor").is_granted
    assert runs == ["gvisor"]
    made()("gvisor")
    assert runs == ["gvisor"]


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_cache_that_was_cut_off_is_no_cache(
    made: Callable[..., Prover], tmp_path: Path, runs: list[str], cut: int
) -> None:
    """As a full disk may leave it."""
    made()("gvisor")
    cache(tmp_path).write_bytes(cache(tmp_path).read_bytes()[:-cut])
    made()("gvisor")

    assert runs == ["gvisor", "gvisor"]


def test_a_cache_that_is_a_directory_is_no_cache(made: Callable[..., Prover], tmp_path: Path) -> None:
    """The proof is used though it cannot be kept."""
    cache(tmp_path).mkdir(parents=True)

    assert made()(WATCHER).is_granted


def test_what_is_kept_is_its_owners_alone(made: Callable[..., Prover], tmp_path: Path) -> None:
    """The first to write below the data directory closes it, under a careless umask too."""
    before = os.umask(0o022)
    try:
        made()("gvisor")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert stat.S_IMODE(cache(tmp_path).stat().st_mode) == 0o600


def test_where_nothing_can_be_written_nothing_is_granted(tmp_path: Path, spawner: Spawner) -> None:
    """No play could be staged there either, which says so more clearly."""
    (tmp_path / "cache").write_text("in the way")
    prover = Prover(
        spawner, python=sys.executable, cache_dir=str(tmp_path / "cache"), new_name=lambda: f"x{os.getpid()}"
    )
    is_granted, problem = told(prover("native"))

    assert not is_granted
    assert "cache" in problem


# What it depends on


def test_the_same_circumstances_are_the_same_text() -> None:
    """Nothing in it changes from one command to the next."""
    assert circumstances(sys.executable) == circumstances(sys.executable)


def test_another_setting_is_another_proof(
    made: Callable[..., Prover], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: list[str]
) -> None:
    """A sysctl, a profile, a reboot: whatever the kernel says of itself."""
    setting = tmp_path / "max_user_namespaces"
    setting.write_text("0\n")
    monkeypatch.setattr(module, "_SETTINGS", (str(setting),))
    made()("gvisor")
    made()("gvisor")
    setting.write_text("1000\n")
    made()("gvisor")
    setting.unlink()
    made()("gvisor")

    assert len(runs) == 3


def test_another_interpreter_is_another_proof(tmp_path: Path) -> None:
    """By its path, and by what it is."""
    python = tmp_path / "python"
    shutil.copy(sys.executable, python)
    first = circumstances(str(python))
    python.unlink()
    absent = circumstances(str(python))
    python.symlink_to(sys.executable)
    linked = circumstances(str(python))

    assert len({first, absent, linked, circumstances(sys.executable)}) == 4


@pytest.mark.parametrize(("name", "value"), [("getuid", 12345), ("geteuid", 12345), ("getegid", 12345)])
def test_another_user_is_another_proof(monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    """What root can do another may not."""
    before = circumstances(sys.executable)
    monkeypatch.setattr(os, name, lambda: value)

    assert circumstances(sys.executable) != before


def test_another_kernel_is_another_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its release, and its build."""
    before = circumstances(sys.executable)
    mine = os.uname()
    monkeypatch.setattr(
        os,
        "uname",
        lambda: os.uname_result((mine.sysname, mine.nodename, "9.9.9", mine.version, mine.machine)),
    )

    assert circumstances(sys.executable) != before


@pytest.mark.parametrize(
    "setting",
    [
        "/proc/sys/kernel/random/boot_id",
        "/proc/sys/user/max_user_namespaces",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "/proc/sys/kernel/unprivileged_userns_clone",
        "/proc/self/attr/current",
    ],
)
def test_the_settings_that_decide_are_among_those_that_are_looked_at(setting: str) -> None:
    """Each was seen to forbid what was allowed before, or the other way round."""
    assert setting in module._SETTINGS


def test_a_change_of_our_own_code_is_another_proof() -> None:
    """A new release has new mechanisms: every module of the sandbox is looked at."""
    here = Path(isolation.__file__).parent
    text = circumstances(sys.executable)

    assert [path.name for path in here.glob("*.py") if f"{path}:" not in text] == []
