"""What a version is known by."""

import hashlib

import pytest

from hero_logic.service.versions import content_sid


@pytest.mark.parametrize("source", ["", "pass", "é\n", "日本"])
def test_a_version_is_known_by_the_hash_of_its_text(source: str) -> None:
    """As any program can compute it: half of a SHA-256 of the text in UTF-8."""
    assert content_sid(source) == hashlib.sha256(source.encode()).hexdigest()[:32]


def test_any_text_has_one() -> None:
    """One that no store can hold too: it is refused there, with a message."""
    assert len(content_sid("\ud800")) == 32
