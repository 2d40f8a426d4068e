"""Completion scripts for shells, made by ``make docs`` from the parser of the command line."""

from __future__ import annotations

import os

SHELLS = ("bash", "zsh", "fish")


def script_path(shell: str) -> str:
    """Where the script for one of :data:`SHELLS` lies.

    >>> os.path.basename(script_path("zsh"))
    'hero-logic.zsh'
    """
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), f"hero-logic.{shell}")
