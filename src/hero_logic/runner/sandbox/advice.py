"""What an operator can do about a sandbox that a host does not have: one line for each lack.

What was said when it failed comes first, the host's settings after it: several can be in the way at once,
and the one that spoke is the next to be mended.
"""

from __future__ import annotations

import os

_APPARMOR = (
    "AppArmor keeps user namespaces from programs without a profile (Ubuntu 23.10 and newer): load the one "
    "of bwrap: apt install bubblewrap apparmor-profiles, copy /usr/share/apparmor/extra-profiles/"
    "bwrap-userns-restrict to /etc/apparmor.d/, apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict; "
    "or allow them to every program: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
)
_CONTAINER = (
    "this is a container that keeps namespaces from what runs in it: start it with "
    "--security-opt seccomp=unconfined --security-opt systempaths=unconfined, or run plays outside"
)
_REFUSED = (
    "this host refuses namespaces to this user: by a seccomp profile, a container around it or a setting "
    "(sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces); allow them, or run plays elsewhere"
)
_MORE_NAMESPACES = "allow more user namespaces: sysctl -w user.max_user_namespaces=10000"

_SYSCTLS = (
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", _APPARMOR),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", _MORE_NAMESPACES),
)
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")

_SAID_BY_BWRAP = (
    ("not installed", "install bubblewrap: apt install bubblewrap, dnf install bubblewrap"),
    (
        "Unknown option",
        "a bubblewrap with --ro-bind-fd is needed, 0.10 or newer, or 0.8 and 0.9 with their updates, "
        "and this one is older: install the updates, or a newer release's package",
    ),
    ("setting up uid map: Permission denied", _APPARMOR),
    ("loopback: Failed", _APPARMOR),
    ("Failed to make / slave", _CONTAINER),
    ("setting up uid map", _CONTAINER),
    ("mount proc on", _CONTAINER),
    ("namespaces exceeded", _MORE_NAMESPACES),
    (
        "does not support user namespaces",
        "this kernel was built without user namespaces: CONFIG_USER_NS is needed",
    ),
    ("PR_SET_SECCOMP", "this kernel was built without seccomp filters: CONFIG_SECCOMP_FILTER is needed"),
    (
        "Creating new namespace failed: Resource temporarily unavailable",
        "this user has as many processes as it may have: end some, or raise its limit (ulimit -u)",
    ),
    ("error while loading shared libraries", "bwrap itself does not run: install bubblewrap anew"),
)
"""(part of what bwrap writes to its standard error, what to do); the first that fits."""

_OF_NAMESPACES = ("unshare", "namespace", "mount", "open_tree", "pivot_root", "/proc/self/", "uid map")
"""What a problem has in it where namespaces were refused."""


def remedy_for(name: str, problem: str) -> str:
    """What would make an isolation work on this host, or "" where nothing is known.

    Args:
        name: the isolation's.
        problem: what was said when it was tried.
    """
    if name == "bubblewrap":
        for said, remedy in _SAID_BY_BWRAP:
            if said in problem:
                return remedy
    # Only where something is amiss: the runtime loads this module at every start.
    from hero_logic.runner.sandbox import kernel
    from hero_logic.runner.sandbox.landlock import NEEDED_VERSION

    version = kernel.landlock_version()
    if name in ("native", "landlock") and version < NEEDED_VERSION:
        has = f"this kernel has ABI {version}" if version else "this kernel has none, or has it switched off"
        return (
            f"Landlock of ABI {NEEDED_VERSION} is needed, and {has}: Linux 6.12 or newer, "
            "with landlock among lsm= on its command line"
        )
    if name in ("native", "bubblewrap") and any(word in problem for word in _OF_NAMESPACES):
        return _remedy_for_namespaces()
    return ""


def _remedy_for_namespaces() -> str:
    for path, value, remedy in _SYSCTLS:
        if _read(path) == value:
            return remedy
    if any(os.path.exists(mark) for mark in _CONTAINER_MARKS):
        return _CONTAINER
    return _REFUSED


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
