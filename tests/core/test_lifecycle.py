"""Which moves a play may make."""

from __future__ import annotations

from typing import get_args

import pytest

from hero_logic.core.errors import IllegalMove
from hero_logic.core.lifecycle import MOVES, TERMINAL, check_move, is_terminal
from hero_logic.core.records import PlayStatus

ALLOWED = {
    ("pending", "running"),
    ("pending", "failed"),
    ("pending", "cancelled"),
    ("running", "ok"),
    ("running", "failed"),
    ("running", "timed_out"),
    ("running", "cancelled"),
}
STATUSES = get_args(PlayStatus)


def test_the_table_has_every_status_of_a_play() -> None:
    """No status is left without a rule."""
    assert set(MOVES) == set(STATUSES)


@pytest.mark.parametrize(("status", "to"), sorted(ALLOWED))
def test_a_play_may_make_these_moves(status: str, to: str) -> None:
    """From pending to running, and from there to an end; what never ran fails or is cancelled."""
    check_move(status, to)

    assert to in MOVES[status]


@pytest.mark.parametrize(
    ("status", "to"),
    sorted((a, b) for a in STATUSES for b in (*STATUSES, "nonsense") if (a, b) not in ALLOWED),
)
def test_a_play_may_make_no_other_move(status: str, to: str) -> None:
    """Staying where it is included; the message has both statuses."""
    with pytest.raises(IllegalMove) as caught:
        check_move(status, to)

    assert status in str(caught.value)
    assert to in str(caught.value)


@pytest.mark.parametrize("status", STATUSES)
def test_a_terminal_status_is_final(status: str) -> None:
    """Terminal are exactly those that no move leaves."""
    assert is_terminal(status) is (status in {"ok", "failed", "timed_out", "cancelled"})
    assert (status in TERMINAL) is (not MOVES[status])


def test_an_unknown_status_may_become_nothing() -> None:
    """A status that is none of a play's is refused as an illegal move, not as a missing key."""
    with pytest.raises(IllegalMove, match="'done'"):
        check_move("done", "ok")


def test_an_unknown_status_is_not_terminal() -> None:
    """Only what the table knows has ended."""
    assert not is_terminal("done")
