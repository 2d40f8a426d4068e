"""The flow library: publishing, versions, what may be run and deleted."""

from __future__ import annotations

from itertools import count

import pytest

from hero_logic.core.errors import FlowArchived, FlowInUse, LegacyFlow, NotFound, UsageError
from hero_logic.core.library import FlowPut
from hero_logic.service.flows import MAX_PAGE, Flows
from hero_logic.service.plays import Plays
from hero_logic.store.memory import MemoryStore

HEAD = "from hero_tracing import flow\n"
LEGACY = '{"name": "greet", "nodes": [], "edges": []}'


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def flows(store: MemoryStore) -> Flows:
    """Publishes at 1, 2, 3 ... ms, with sids that count."""
    times, sids = count(1), count(1)
    return Flows(store, now_ms=lambda: float(next(times)), new_sid=lambda: f"{next(sids):016x}")


def source(body: str = "pass", says: str = "") -> str:
    return f'{HEAD}@flow\ndef main(day: str, limit: int = 3):\n    """{says}"""\n    {body}\n'


def put(flows: Flows, name: str = "f", body: str = "pass", says: str = "") -> FlowPut:
    return flows.put(name=name, python_source=source(body, says))


def test_what_was_published_is_got_back(flows: Flows) -> None:
    """With its source, and what it takes."""
    done = flows.put(name="f", python_source=source(says="Loads."), tags=["a", " a", "b"])

    details = flows.get("f")
    assert (done.flow_sid, done.version_sid) == (details.flow_sid, details.version_sid)
    assert (done.is_new_version, done.problems) == (True, [])
    assert (details.source, details.description, details.tags) == (
        source(says="Loads."),
        "Loads.",
        ["a", "b"],
    )
    assert details.inputs is not None
    assert details.inputs["properties"] == {
        "day": {"type": "string"},
        "limit": {"type": "integer", "default": 3},
    }
    assert (details.function, details.problems, details.needs) == ("main", [], {})


def test_the_same_source_is_the_same_version(flows: Flows) -> None:
    """A byte order mark, which a file may have, is no difference."""
    first = put(flows)
    again = flows.put(name="f", python_source="\ufeff" + source())

    assert again.version_sid == first.version_sid
    assert again.is_new_version is False
    assert flows.find("f").versions == 1


def test_a_version_is_never_overwritten(flows: Flows) -> None:
    """Each can be got by the beginning of its sid, whatever was published since."""
    first, second = put(flows, body="a"), put(flows, body="b")
    assert first.version_sid is not None

    assert flows.get("f").version_sid == second.version_sid
    assert flows.get("f", version_sid=first.version_sid[:8]).source == source("a")
    assert [one.version_sid for one in flows.versions("f").versions] == [
        second.version_sid,
        first.version_sid,
    ]


def test_an_error_keeps_a_source_out(flows: Flows, store: MemoryStore) -> None:
    """Nothing was published, and the problem says where it is; the flow is as it was."""
    put(flows)
    before = (flows.find("f"), store.revision())
    done = flows.put(name="f", python_source="def f(:\n")

    assert (done.flow_sid, done.version_sid, done.is_new_version) == (None, None, False)
    assert [(one.severity, one.line, one.column) for one in done.problems] == [("error", 1, 7)]
    assert (flows.find("f"), store.revision()) == before


def test_a_warning_does_not(flows: Flows) -> None:
    """It is told with what was published."""
    done = flows.put(name="f", python_source="import httpx\n" + source())

    assert done.flow_sid is not None
    assert [one.severity for one in done.problems] == ["warning"]
    assert flows.get("f").problems == done.problems


def test_a_module_beside_the_file_keeps_a_source_out(flows: Flows) -> None:
    """Only who has the file knows what lies beside it."""
    text = "import helpers\n" + source()

    assert flows.put(name="f", python_source=text, beside={"helpers"}).flow_sid is None
    assert flows.put(name="f", python_source=text).flow_sid is not None


@pytest.mark.parametrize(
    "said", [{"name": "f.py"}, {"tags": [""]}, {"description": "\x1b"}, {"description": "x" * 10_001}]
)
@pytest.mark.parametrize("text", [source(), "def f(:"])
def test_what_is_said_of_a_flow_is_checked_first(
    flows: Flows, store: MemoryStore, said: dict[str, object], text: str
) -> None:
    """A usage error, whatever the source is."""
    with pytest.raises(UsageError):
        flows.put(**{"name": "f", "python_source": text, **said})  # type: ignore[arg-type]

    assert store.revision() == 0


def test_a_flow_follows_what_its_source_says_until_something_else_is_said(flows: Flows) -> None:
    """And again from when that is taken back."""
    put(flows, says="One.")
    assert flows.put(name="f", python_source=source(says="Two."), description="Said.").flow_sid
    put(flows, says="Three.")
    assert flows.find("f").description == "Said."

    flows.put(name="f", python_source=source(says="Three."), description="")
    assert flows.find("f").description == "Three."


def test_pages_have_every_flow_once_whatever_is_published_meanwhile(flows: Flows) -> None:
    """By the cursor that the page gives."""
    for name in "abcde":
        put(flows, name)
    first = flows.list(limit=2)
    put(flows, "a", "again")
    flows.delete("d")
    second = flows.list(limit=2, cursor=first.next)
    third = flows.list(limit=2, cursor=second.next)

    assert [[flow.name for flow in page.flows] for page in (first, second, third)] == [
        ["e", "d"],
        ["c", "b"],
        ["a"],
    ]
    assert (third.next, flows.list(limit=MAX_PAGE + 1).next) == (None, None)


def test_pages_have_every_version_once(flows: Flows) -> None:
    """The one that the flow got last first."""
    for body in ("1", "2", "3"):
        put(flows, body=body)
    first = flows.versions("f", limit=2)
    second = flows.versions("f", limit=2, cursor=first.next)

    assert [one.number for one in (*first.versions, *second.versions)] == [3, 2, 1]
    assert second.next is None


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "9" * 50, "\u0663"])
def test_a_cursor_of_no_page_is_a_usage_error(flows: Flows, cursor: str) -> None:
    """Whatever it is."""
    put(flows)

    with pytest.raises(UsageError, match="cursor"):
        flows.list(cursor=cursor)
    with pytest.raises(UsageError, match="cursor"):
        flows.versions("f", cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_above_nothing(flows: Flows, limit: int) -> None:
    """No page is empty by its limit."""
    with pytest.raises(UsageError, match="from 1 up"):
        flows.list(limit=limit)


def test_an_unknown_flow_is_not_found_and_what_is_near_is_named(flows: Flows) -> None:
    """Who mistyped it sees what was meant."""
    put(flows, "nightly report")

    with pytest.raises(NotFound, match=r"no flow 'nigtly'.*Did you mean: nightly report\?"):
        flows.find("nigtly")
    with pytest.raises(NotFound, match="flows ls") as caught:
        flows.find("zzzz")
    assert "mean" not in str(caught.value)
    with pytest.raises(NotFound):
        flows.find("\0'\ud800")


def test_what_is_run_is_the_current_version_or_the_one_that_is_named(flows: Flows) -> None:
    """By name or sid, with the beginning of the version's sid after an @, or apart."""
    first, second = put(flows, body="a"), put(flows, body="b")
    assert first.version_sid is not None
    assert first.flow_sid is not None

    assert flows.to_run("f").version.version_sid == second.version_sid
    for asked in (f"f@{first.version_sid[:8]}", f"{first.flow_sid}@{first.version_sid}"):
        assert flows.to_run(asked).version.source == source("a")
    assert flows.to_run("f", version_sid=first.version_sid[:6]).version.source == source("a")


def test_a_version_that_is_not_there_or_not_the_only_one_is_an_error(flows: Flows) -> None:
    """The message says which there are, or where they are listed."""
    for number in range(40):
        put(flows, body=str(number))
    several = max("0123456789abcdef", key=lambda digit: len(flows.store.find_versions("f", digit, limit=99)))

    with pytest.raises(UsageError, match=f"several versions of the flow f begin with {several}: "):
        flows.to_run(f"f@{several}")
    for prefix in ("zz", "0" * 32, "%", "'"):
        with pytest.raises(NotFound, match="flows show f"):
            flows.to_run(f"f@{prefix}")


def test_a_workflow_of_before_is_kept_and_not_run(flows: Flows) -> None:
    """The error names what makes a flow of it; a Python version of the same flow is run."""
    done = flows.put_legacy(name="greet", dag_json=LEGACY, description="Greets.")
    details = flows.get("greet")

    assert (details.kind, details.source, details.inputs, details.function) == (
        "legacy_dag",
        LEGACY,
        None,
        "",
    )
    with pytest.raises(LegacyFlow, match="hero-logic migrate"):
        flows.to_run("greet")

    put(flows, "greet")
    assert flows.to_run("greet").version.kind == "python"
    assert done.version_sid is not None
    with pytest.raises(LegacyFlow):
        flows.to_run(f"greet@{done.version_sid[:8]}")


def test_what_is_run_has_the_name_of_its_flow_and_no_path(flows: Flows, store: MemoryStore) -> None:
    """Even where its text was first seen in a file, whose directory is nothing to it."""
    plays = Plays(store, now_ms=lambda: 1.0, runtime_sid="r")
    plays.create("p", flow="main", path="/flows/f.py", source=source())
    put(flows, "published")
    version = flows.to_run("published").version

    assert (version.flow_name, version.path, version.source) == ("published", "", source())


def test_a_workflow_of_before_has_a_size(flows: Flows) -> None:
    """As a source has."""
    with pytest.raises(UsageError, match="1048576"):
        flows.put_legacy(name="f", dag_json='{"nodes": []}' + " " * 1024 * 1024)


@pytest.mark.parametrize("text", ["", "{}", "pass", '["nodes"]'])
def test_what_is_no_workflow_of_before_is_not_kept_as_one(flows: Flows, text: str) -> None:
    """A usage error."""
    with pytest.raises(UsageError, match="list of nodes"):
        flows.put_legacy(name="f", dag_json=text)


def test_an_archived_flow_is_not_run(flows: Flows) -> None:
    """The error says how it is brought back."""
    put(flows)
    flows.archive("f")

    with pytest.raises(FlowArchived, match="--unarchive"):
        flows.to_run("f")
    assert flows.list().flows == []
    assert [flow.name for flow in flows.list(archived=True).flows] == ["f"]
    flows.archive("f", is_archived=False)
    assert flows.to_run("f").flow.name == "f"


def test_a_flow_that_plays_refer_to_is_archived_before_it_is_deleted(
    flows: Flows, store: MemoryStore
) -> None:
    """A play of a file with the same source refers to it too; its version stays."""
    put(flows)
    plays = Plays(store, now_ms=lambda: 1.0, runtime_sid="r")
    play = plays.create("p", flow="main", path="/f.py", source=source())

    with pytest.raises(FlowInUse):
        flows.delete("f")
    assert flows.count_plays("f") == 1
    flows.archive("f")
    assert flows.delete("f").name == "f"
    assert store.get_version(play.version_sid).source == source()
    with pytest.raises(NotFound):
        flows.find("f")
