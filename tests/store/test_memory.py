"""The store that tests use keeps the contract."""

import pytest

from hero_logic.store.memory import MemoryStore
from store.contract_suite import StoreContract


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


class TestMemoryStore(StoreContract):
    """Every promise of contract.py."""
