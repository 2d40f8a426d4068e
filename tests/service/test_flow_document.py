"""What is said of flows, as JSON."""

import json

from hero_logic.core.library import FlowPut, FoundFlows, Problem
from hero_logic.service.flow_document import flow_document


def test_a_document_has_the_fields_as_they_are() -> None:
    """After the number of the schema; parts in their own fields."""
    problem = Problem("error", "no_entry", "no flow", 3, 5)
    said = FlowPut(flow_sid=None, version_sid=None, is_new_version=False, problems=[problem])

    assert json.loads(flow_document(said)) == {
        "schema": 1,
        "flow_sid": None,
        "version_sid": None,
        "is_new_version": False,
        "problems": [{"severity": "error", "code": "no_entry", "message": "no flow", "line": 3, "column": 5}],
    }
    assert json.loads(flow_document(FoundFlows("é", []))) == {"schema": 1, "query": "é", "flows": []}
