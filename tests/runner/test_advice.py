"""What an operator is told to do about a sandbox that this host does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from hero_logic.runner.sandbox import advice, kernel

APPARMOR = "kernel/apparmor_restrict_unprivileged_userns"
CLONE = "kernel/unprivileged_userns_clone"
MAXIMUM = "user/max_user_namespaces"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with everything, whose settings are files that a test can write."""
    settings = [
        (str(tmp_path / path.removeprefix("/proc/sys/").replace("/", "-")), value, remedy)
        for path, value, remedy in advice._SYSCTLS
    ]
    monkeypatch.setattr(advice, "_SYSCTLS", tuple(settings))
    monkeypatch.setattr(advice, "_CONTAINER_MARKS", (str(tmp_path / "container"),))
    monkeypatch.setattr(kernel, "landlock_version", lambda: 7)
    return tmp_path


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("bubblewrap is not installed: there is no bwrap in /usr/bin", "apt install bubblewrap"),
        ("bwrap: Unknown option --ro-bind-fd", "0.10 or newer"),
        ("bwrap: Unknown option --size", "0.10 or newer"),
        ("bwrap: setting up uid map: Permission denied", "bwrap-userns-restrict"),
        ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "bwrap-userns-restrict"),
        ("bwrap: loopback: Failed to look up lo: No such device", "bwrap-userns-restrict"),
        ("bwrap: setting up uid map: Operation not permitted", "a container"),
        ("bwrap: Failed to make / slave: Permission denied", "a container"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "a container"),
        (
            "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded "
            "(ENOSPC)",
            "user.max_user_namespaces",
        ),
        (
            "bwrap: Creating new namespace failed, likely because the kernel does not support user "
            "namespaces.  bwrap must be installed setuid on such systems.",
            "CONFIG_USER_NS",
        ),
        ("bwrap: Creating new namespace failed: Resource temporarily unavailable", "ulimit -u"),
        (
            "bwrap: Unable to set up system call filtering as requested: prctl(PR_SET_SECCOMP) reported "
            "EINVAL.",
            "CONFIG_SECCOMP_FILTER",
        ),
        (
            "bwrap: error while loading shared libraries: libcap.so.2: cannot open shared object file",
            "install bubblewrap anew",
        ),
        (
            "bwrap: No permissions to create new namespace, likely because the kernel does not allow "
            "non-privileged user namespaces.",
            "this host refuses namespaces",
        ),
    ],
)
def test_what_bwrap_says_has_its_advice(host: Path, said: str, part: str) -> None:
    """One line for each way in which it is known to fail."""
    remedy = advice.remedy_for("bubblewrap", said)

    assert part in remedy
    assert "\n" not in remedy


@pytest.mark.parametrize("name", ["native", "bubblewrap"])
@pytest.mark.parametrize(
    ("setting", "value", "part"),
    [
        (APPARMOR, "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        (CLONE, "0", "kernel.unprivileged_userns_clone=1"),
        (MAXIMUM, "0", "user.max_user_namespaces=10000"),
    ],
)
def test_a_setting_that_forbids_namespaces_is_named(
    host: Path, name: str, setting: str, value: str, part: str
) -> None:
    """Where namespaces were refused, and the setting is the reason."""
    said = {
        "native": "unshare(0x7e020000): Operation not permitted",
        "bubblewrap": "bwrap: No permissions to create new namespace, likely because",
    }[name]
    (host / setting.replace("/", "-")).write_text(value + "\n")

    assert part in advice.remedy_for(name, said)


def test_a_setting_that_allows_namespaces_is_not_blamed(host: Path) -> None:
    """What else refuses them is said as far as it is known."""
    (host / CLONE.replace("/", "-")).write_text("1\n")

    assert "this host refuses" in advice.remedy_for("native", "/proc/self/uid_map: Operation not permitted")


def test_a_container_is_known_by_its_mark(host: Path) -> None:
    """Where no setting explains it."""
    (host / "container").touch()

    assert "a container" in advice.remedy_for("native", "mount none on /: Permission denied")


@pytest.mark.parametrize("name", ["native", "bubblewrap", "landlock"])
@pytest.mark.parametrize("problem", ["a flow could read a file", "the canary flow did not run"])
def test_no_advice_is_better_than_a_wrong_one(host: Path, name: str, problem: str) -> None:
    """A container is not to blame for what has nothing to do with namespaces."""
    (host / "container").touch()

    assert advice.remedy_for(name, problem) == ""


@pytest.mark.parametrize(("version", "part"), [(0, "switched off"), (5, "has ABI 5")])
@pytest.mark.parametrize("name", ["native", "landlock"])
def test_a_kernel_without_landlock_is_told_which_is_needed(
    host: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: int, part: str
) -> None:
    """Both kinds need it; bubblewrap does not."""
    monkeypatch.setattr(kernel, "landlock_version", lambda: version)

    assert part in advice.remedy_for(name, "Landlock of ABI 6 is needed")
    assert advice.remedy_for("bubblewrap", "Landlock of ABI 6 is needed") == ""
