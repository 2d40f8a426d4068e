"""The flow library over JSON-RPC: what the command line can do with it, by calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.app import open_service
from hero_logic.client import ServiceClient
from hero_logic.core.errors import NotFound, UsageError

SOURCE = '''
from hero_tracing import flow
@flow
def main(name: str = "Ada"):
    """Say hello."""
    return name
'''
LEGACY = '{"name": "old", "nodes": [], "edges": []}'


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceClient]:
    with open_service({"HERO_LOGIC_HOME": str(tmp_path / "home")}) as opened:
        yield opened


def test_a_flow_is_published_found_and_read(service: ServiceClient) -> None:
    """Under its name or its sid, with what it takes."""
    put = service.flow_put("greeting", python_source=SOURCE, tags=["polite"])
    found = service.flow_get("greeting")

    assert (put.flow_sid, put.version_sid, put.problems) == (found.flow_sid, found.version_sid, [])
    assert found.source == SOURCE
    assert found.inputs is not None
    assert found.inputs["properties"]["name"]["default"] == "Ada"
    assert [flow.name for flow in service.flow_list().flows] == ["greeting"]
    assert [flow.name for flow in service.flow_library_search("greetng").flows] == ["greeting"]


def test_a_source_with_errors_is_not_published(service: ServiceClient) -> None:
    """The answer says where it is wrong."""
    put = service.flow_put("wrong", python_source="def (")

    assert put.flow_sid is None
    assert (put.problems[0].severity, put.problems[0].line) == ("error", 1)
    assert service.flow_list().flows == []


def test_a_workflow_of_before_is_kept_in_place_of_a_source(service: ServiceClient) -> None:
    """As its text is; a flow in Python is its next version, and it stays as an earlier one."""
    service.flow_put("old", legacy_dag=LEGACY, description="What it was.", tags=["graph"])
    service.flow_put("old", python_source=SOURCE)
    first, second = reversed(service.flow_versions("old").versions)
    found = service.flow_get("old", version_sid=first.version_sid)

    assert (found.kind, found.source, found.tags) == ("legacy_dag", LEGACY, ["graph"])
    assert [(one.kind, one.is_current) for one in (first, second)] == [
        ("legacy_dag", False),
        ("python", True),
    ]


@pytest.mark.parametrize(
    "said", [{}, {"python_source": SOURCE, "legacy_dag": "{}"}, {"legacy_dag": SOURCE}, {"legacy_dag": "{}"}]
)
def test_neither_both_or_something_else_is_not_published(
    service: ServiceClient, said: dict[str, str]
) -> None:
    """A flow has one text, which is Python or a workflow of before."""
    with pytest.raises(UsageError, match="x: "):
        service.flow_put("x", **said)

    assert service.flow_list().flows == []


def test_every_version_is_kept(service: ServiceClient) -> None:
    """The last one is the current one."""
    service.flow_put("greeting", python_source=SOURCE)
    service.flow_put("greeting", python_source=SOURCE.replace("Ada", "Bob"))
    versions = service.flow_versions("greeting").versions

    assert [(version.number, version.is_current) for version in versions] == [(2, True), (1, False)]
    assert service.flow_get("greeting", version_sid=versions[1].version_sid).source == SOURCE


def test_a_flow_is_put_away_and_removed(service: ServiceClient) -> None:
    """One that is put away is not listed; one that is removed is not there."""
    service.flow_put("greeting", python_source=SOURCE)

    assert service.flow_archive("greeting").is_archived
    assert service.flow_list().flows == []
    assert [flow.name for flow in service.flow_list(archived=True).flows] == ["greeting"]
    assert service.flow_delete("greeting").name == "greeting"
    with pytest.raises(NotFound, match="greeting"):
        service.flow_get("greeting")


def test_a_wrong_cursor_is_refused(service: ServiceClient) -> None:
    """As the library has it."""
    with pytest.raises(UsageError):
        service.flow_list(before="nonsense")


@pytest.mark.parametrize("query", ["", '"', "(*", "a AND", "é" * 500, "NEAR/", "-", "col:x"])
def test_no_search_is_a_wrong_one(service: ServiceClient, query: str) -> None:
    """Whatever is typed."""
    service.flow_put("greeting", python_source=SOURCE)

    assert service.flow_library_search(query).query is not None
