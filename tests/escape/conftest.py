"""The grounds on which attempts are made: one for each user, started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support.escapes import Ground, NotPrepared


@pytest.fixture(scope="session")
def ground_of() -> Iterator[Callable[[str], Ground]]:
    """Give the ground of a user; the test is skipped where there is none."""
    grounds: dict[str, Ground] = {}
    refused: dict[str, str] = {}

    def give(user: str) -> Ground:
        if user not in grounds and user not in refused:
            try:
                grounds[user] = Ground(user)
            except NotPrepared as error:
                refused[user] = str(error)
        if user in refused:
            pytest.skip(refused[user])
        return grounds[user]

    yield give
    for ground in grounds.values():
        ground.close()
