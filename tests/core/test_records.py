"""What facts say of themselves."""

from __future__ import annotations

import pytest

from hero_logic.core.records import Sandbox


@pytest.mark.parametrize(
    ("sandbox", "line"),
    [
        (Sandbox(), ""),
        (Sandbox("none", "none", "none"), ""),
        (Sandbox("none", "native", "watcher"), ""),
        (Sandbox("tier0", "none", "rlimits"), "tier0"),
        (Sandbox("tier0"), "tier0"),
        (Sandbox("tier1", "native", "rlimits"), "tier1 (native)"),
        (Sandbox("tier1", "bubblewrap", "rlimits"), "tier1 (bubblewrap)"),
        (Sandbox("tier1", "landlock", "rlimits"), "tier1 (landlock)"),
        (Sandbox("tier2", "native", "watcher"), "tier2 (native, watcher)"),
        (Sandbox("tier2", "landlock", "watcher"), "tier2 (landlock, watcher)"),
    ],
)
def test_what_a_play_is_kept_in_is_one_line(sandbox: Sandbox, line: str) -> None:
    """The tier and what it is made of; limits of each process are in every tier, and nothing is no line."""
    assert sandbox.line == line
