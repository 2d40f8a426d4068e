"""Ordinary programs work inside, but for what the table in docs/sandbox.md says; each cell is tried."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from escape.ordinary import FEATURES, Feature
from hero_logic.core.tiers import ISOLATIONS
from support.escapes import OWN_USER, USERS, Attempt, Ground

GroundOf = Callable[[str], Ground]
ROOT = Path(__file__).parents[2]
SAMPLE = ("threads", "multiprocessing-Lock", "sqlite3", "subprocess", "TLS", "copy2", "getpass", "uuid")

CELLS = [
    pytest.param(
        user,
        isolation,
        feature,
        id=f"{feature.key}-{isolation}-{user}",
        marks=[] if user == OWN_USER and any(word in feature.key for word in SAMPLE) else [pytest.mark.soak],
    )
    for feature in FEATURES
    for isolation in ISOLATIONS
    for user in USERS
]


@pytest.mark.parametrize(("user", "isolation", "feature"), CELLS)
def test_ordinary_python_works_where_the_page_says_so(
    ground_of: GroundOf, user: str, isolation: str, feature: Feature
) -> None:
    """What the table promises works, and what it says does not work does not."""
    ground = ground_of(user)
    ground.require(isolation)
    if feature.key == "tmp" and sys.prefix.startswith("/tmp/"):
        pytest.skip("the interpreter lies below /tmp, which is then no more than the way to it")

    facts = ground.play(Attempt(feature.key, feature.body), isolation)

    if "No module named 'numpy'" in facts.error:
        pytest.skip("numpy is not installed")
    works = facts.outcome == "returned" and facts.output["through"]
    if isolation in feature.missing:
        assert not works, f"the page says that {feature.missing[isolation]}; it worked"
    else:
        assert works, facts.told


def test_the_page_has_the_table_of_these_tests() -> None:
    """docs/sandbox.md is what tools/sandbox_table.py makes of the features."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "sandbox_table.py"), "--check"],
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout.decode()
