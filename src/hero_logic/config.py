"""What the environment says about where things are: read once, passed down.

Environment variables (docs/environment.md): ``HERO_LOGIC_HOME``, ``HERO_LOGIC_RUNTIME_DIR``,
``HERO_LOGIC_SYNCHRONOUS``, ``HERO_LOGIC_PLAY_USER``.
"""

from __future__ import annotations

import os
import sys

from hero_logic.core.errors import UsageError

_SYNCHRONOUS = ("normal", "full")


class Config:
    """Where the data lies, and how safely it is written."""

    __slots__ = ("cache_dir", "database", "home", "play_user", "plays_dir", "runtimes_dir", "synchronous")

    def __init__(self, home: str, *, synchronous: str = "normal", play_user: str = "") -> None:
        self.home = home
        self.play_user = play_user
        """Whom plays run as, by name or number, where that is not who runs this (runner/owner.py)."""
        self.database = os.path.join(home, "hero_logic.db")
        self.plays_dir = os.path.join(home, "plays")
        self.runtimes_dir = os.path.join(home, "runtimes")
        self.cache_dir = os.path.join(home, "cache")
        self.synchronous = synchronous

    @classmethod
    def from_environment(cls, environment: dict[str, str]) -> Config:
        """The configuration that these variables ask for.

        Raises:
            UsageError: a variable has a value that means nothing.
        """
        synchronous = environment.get("HERO_LOGIC_SYNCHRONOUS", "normal").lower()
        if synchronous not in _SYNCHRONOUS:
            raise UsageError(
                f"HERO_LOGIC_SYNCHRONOUS is {synchronous!r}; it may be {' or '.join(_SYNCHRONOUS)}."
            )
        home = environment.get("HERO_LOGIC_HOME") or _platform_home(environment)
        return cls(
            # Without links: what shows a play its own directory follows none (runner/sandbox/kernel.py).
            os.path.realpath(os.path.expanduser(home)),
            synchronous=synchronous,
            play_user=environment.get("HERO_LOGIC_PLAY_USER", ""),
        )


def _platform_home(environment: dict[str, str]) -> str:
    """The platform's directory for a user's data.

    On Linux the rule is three lines long, and platformdirs costs every command more than the whole of the
    rest of its start; a test holds the two against each other.
    """
    if sys.platform == "linux":
        base = environment.get("XDG_DATA_HOME", "")
        if not os.path.isabs(base):
            base = os.path.expanduser("~/.local/share")
        return os.path.join(base, "hero_logic")
    import platformdirs

    return platformdirs.user_data_dir("hero_logic", appauthor=False)
