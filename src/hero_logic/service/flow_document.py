"""What is said of published flows as one JSON document. Source: docs/json.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hero_logic.service.document import SCHEMA

if TYPE_CHECKING:
    from hero_logic.core.library import FlowDetails, FlowPage, FlowPut, FoundFlows, VersionPage


def flow_document(said: FlowPut | FlowPage | FoundFlows | FlowDetails | VersionPage) -> bytes:
    """The document: the fields as they are, after the number of the schema."""
    return msgspec.json.encode({"schema": SCHEMA, **msgspec.structs.asdict(said)})
