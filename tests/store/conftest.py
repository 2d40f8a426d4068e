"""The contract's tests are imported, not collected: pytest has to be told to explain their asserts."""

import pytest

pytest.register_assert_rewrite(
    "store.contract_suite",
    "store.span_contract",
    "store.commit_contract",
    "store.inbox_contract",
    "store.queue_contract",
    "store.reading_contract",
    "store.changes_contract",
    "store.flow_contract",
)
