"""What the tests of the command line have: the spans of each are counted from 0."""

from __future__ import annotations

from itertools import count

import pytest

from support import forests


@pytest.fixture(autouse=True)
def _own_ordinals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's first span is the first of its play, whichever tests came before it."""
    monkeypatch.setattr(forests, "ordinals", count())
