"""Which moves a play may make. Everything that affects a play's status is in this table.

>>> check_move("pending", "running")
>>> is_terminal("timed_out")
True
"""

from hero_logic.core.errors import IllegalMove

MOVES: dict[str, frozenset[str]] = {
    "pending": frozenset({"running", "failed", "cancelled"}),
    "running": frozenset({"ok", "failed", "timed_out", "cancelled"}),
    "ok": frozenset(),
    "failed": frozenset(),
    "timed_out": frozenset(),
    "cancelled": frozenset(),
}

TERMINAL = frozenset(status for status, moves in MOVES.items() if not moves)


def is_terminal(status: str) -> bool:
    """Whether a play of this status has ended for good."""
    return status in TERMINAL


def check_move(status: str, to: str) -> None:
    """Allow a play to go from one status to another.

    Raises:
        IllegalMove: the table does not have that move, or not that status.
    """
    if status not in MOVES:
        raise IllegalMove(f"{status!r} is no status of a play; those are {', '.join(MOVES)}.")
    if to not in MOVES[status]:
        allowed = ", ".join(sorted(MOVES[status])) or "nothing: it has ended"
        raise IllegalMove(f"a play that is {status} cannot become {to}; it may become {allowed}.")
