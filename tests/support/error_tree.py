"""The tree of errors, whole."""

from __future__ import annotations

from hero_logic.core import errors


def error_classes() -> list[type[errors.HeroLogicError]]:
    """Every class of it."""
    return [
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.HeroLogicError)
    ]
