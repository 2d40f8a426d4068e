"""What somebody asks to be run or to be published, as it was said; of this process, or of a server."""

from __future__ import annotations

import os

from hero_logic.core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.core.grants import Said

_MAX_TIMEOUT_S = 1e9


class RunRequest:
    """What a person or a program asks to be run, as it was said."""

    __slots__ = (
        "assignments",
        "document",
        "entry",
        "grants",
        "let_through",
        "path",
        "python",
        "sandbox",
        "timeout_s",
    )

    def __init__(
        self,
        path: str,
        *,
        assignments: list[str],
        document: bytes | None = None,
        entry: str | None = None,
        let_through: tuple[str, ...] = (),
        python: str | None = None,
        timeout_s: float | None = None,
        sandbox: str | None = None,
        grants: Said | None = None,
    ) -> None:
        self.path = path
        self.assignments = assignments
        """``name=value``, each of which wins over the document."""
        self.document = document
        """The input as a JSON object, in bytes."""
        self.entry = entry
        self.let_through = let_through
        self.python = python
        self.timeout_s = timeout_s
        self.sandbox = sandbox
        """One of ``core.tiers.WANTED``; None for what the environment says, or the default."""
        self.grants = grants
        """What the operator grants; its ``env`` is not looked at, ``let_through`` is."""


class ToPublish:
    """A file that is to be published, as it was read."""

    __slots__ = ("beside", "is_legacy", "name", "source")

    def __init__(self, name: str, source: str, *, beside: set[str], is_legacy: bool) -> None:
        self.name = name
        self.source = source
        self.beside = beside
        """The modules beside it that it imports: they do not come along."""
        self.is_legacy = is_legacy
        """Whether it holds a workflow of before."""


def is_meant_as_file(flow: str) -> bool:
    """Whether what is to be run is a file, and no flow of the library.

    Nothing of the library is called like a file of Python; and a directory is no flow.
    """
    path = os.path.abspath(flow)
    return flow.endswith(".py") or (os.path.lexists(path) and not os.path.isdir(path))


def check_timeout(timeout_s: float | None) -> None:
    """Refuse what is no time.

    Raises:
        UsageError: it is none.
    """
    if timeout_s is not None and not 0 < timeout_s < _MAX_TIMEOUT_S:
        raise UsageError(
            f"--timeout {timeout_s:g}: it is a number of seconds, above 0 and below {_MAX_TIMEOUT_S:g}."
        )
