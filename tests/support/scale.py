"""How many examples the property tests try: ``HERO_TEST_SCALE`` times a hundred each."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SCALE = int(os.environ.get("HERO_TEST_SCALE", "1"))

# At scale 1 the same examples come every time: a change that breaks nothing must not fail by luck.
SCALED = settings(
    max_examples=100 * SCALE,
    deadline=None,
    derandomize=SCALE == 1,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""A decorator for a property test."""
