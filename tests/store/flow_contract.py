"""What every store promises of the library."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from hero_logic.core.errors import FlowInUse, NotFound, StoreError
from hero_logic.core.library import Flow, Publication
from hero_logic.core.records import FlowVersion, Play, VersionKind
from hero_logic.core.search_text import query_words
from hero_logic.store.contract import Commit, Store

NO_FLOW = r"there is no flow 'gone' in the library; `hero-logic flows ls` lists those there are\."


def version(source: str, *, at_ms: float = 1.0, kind: VersionKind = "python") -> FlowVersion:
    sid = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return FlowVersion(sid, "f", "", source, at_ms, kind)


def put(
    store: Store,
    name: str,
    source: str = "pass",
    *,
    says: str = "",
    description: str | None = None,
    tags: list[str] | None = None,
    at_ms: float = 1.0,
    kind: VersionKind = "python",
) -> Flow:
    return store.put_flow(
        Publication(
            name=name,
            version=version(source, at_ms=at_ms, kind=kind),
            source_description=says,
            description=description,
            tags=tags,
            new_flow_sid=hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        )
    )[0]


def search(store: Store, query: str, limit: int = 20) -> list[str]:
    return [flow.name for flow in store.search_flows(query_words(query), limit=limit)]


class LibraryContract:
    """Flows, versions, lists."""

    def test_a_flow_is_found_by_its_sid_and_by_its_name(self, store: Store) -> None:
        """With all that was said of it."""
        flow = put(store, "nightly", "a", says="reports", tags=["x", "é"], at_ms=2.5)

        assert store.find_flow("nightly") == store.find_flow(flow.flow_sid) == flow
        assert flow == Flow(
            flow_sid=flow.flow_sid,
            name="nightly",
            description="reports",
            tags=["x", "é"],
            is_archived=False,
            version_sid=version("a").version_sid,
            kind="python",
            versions=1,
            created_ms=2.5,
            published_ms=2.5,
            revision=store.revision(),
        )

    def test_a_flow_keeps_its_sid_and_gets_versions(self, store: Store) -> None:
        """The one that was published last is the current one; none is overwritten."""
        first = put(store, "f", "a", at_ms=1.0)
        second = put(store, "f", "b", at_ms=2.0)

        assert second.flow_sid == first.flow_sid
        assert (second.versions, second.version_sid) == (2, version("b").version_sid)
        assert (second.created_ms, second.published_ms) == (1.0, 2.0)
        assert [
            (one.number, one.version_sid, one.is_current) for one in store.flow_versions("f", limit=9)
        ] == [
            (2, version("b").version_sid, True),
            (1, version("a").version_sid, False),
        ]
        assert store.get_version(version("a").version_sid).source == "a"

    def test_the_same_content_is_the_same_version(self, store: Store) -> None:
        """Published again it is the current one again, with its number and its time."""
        put(store, "f", "a", at_ms=1.0)
        put(store, "f", "b", at_ms=2.0)
        flow, is_new = store.put_flow(
            Publication(name="f", version=version("a", at_ms=3.0), new_flow_sid="f" * 16)
        )

        assert is_new is False
        assert (flow.versions, flow.version_sid, flow.published_ms) == (2, version("a").version_sid, 3.0)
        (newer, older) = store.flow_versions("f", limit=9)
        assert (newer.is_current, older.is_current) == (False, True)
        assert (older.number, older.created_ms) == (1, 1.0)

    def test_two_flows_may_have_one_version(self, store: Store) -> None:
        """It is stored once, and is each one's own first version."""
        one, other = put(store, "one", "a"), put(store, "other", "a")

        assert one.flow_sid != other.flow_sid
        assert one.version_sid == other.version_sid
        assert [found.number for found in store.flow_versions("other", limit=9)] == [1]

    def test_what_is_not_said_again_stays(self, store: Store) -> None:
        """Description and tags; one that the source says follows the source."""
        put(store, "f", "a", says="first", tags=["t"])

        assert put(store, "f", "b", says="second").description == "second"
        assert put(store, "f", "c", says="third", description="said").description == "said"
        assert put(store, "f", "d", says="fourth").description == "said"
        assert put(store, "f", "d", says="fourth", description="").description == "fourth"
        assert put(store, "f", "d").tags == ["t"]
        assert put(store, "f", "d", tags=[]).tags == []

    def test_a_version_of_a_file_that_was_run_is_the_same_version(self, store: Store) -> None:
        """Text is known by its hash, whichever way it came."""
        of_file = msgspec.structs.replace(version("a"), path="/flows/f.py")
        store.create_play(Play(sid="p", version_sid=of_file.version_sid), of_file)

        flow = put(store, "f", "a")

        assert flow.version_sid == of_file.version_sid
        assert store.get_version(flow.version_sid).path == "/flows/f.py"
        assert store.count_plays("f", limit=9) == 1

    def test_a_version_may_hold_a_workflow_of_before(self, store: Store) -> None:
        """It says so, wherever it is read."""
        flow = put(store, "old", '{"nodes": []}', kind="legacy_dag")

        assert flow.kind == "legacy_dag"
        assert store.get_version(flow.version_sid).kind == "legacy_dag"
        assert [one.kind for one in store.flow_versions("old", limit=9)] == ["legacy_dag"]

    def test_flows_are_listed_in_a_fixed_order(self, store: Store) -> None:
        """The one that was published first is last, whatever is published meanwhile; each is in one page."""
        for name in "abcd":
            put(store, name)
        page = store.list_flows(limit=2)
        put(store, "a", "again")
        put(store, "e")
        rest = store.list_flows(limit=9, before=page[-1][0])

        assert [flow.name for _, flow in (*page, *rest)] == ["d", "c", "b", "a"]
        assert store.list_flows(limit=0) == []

    def test_the_newest_is_the_one_published_last(self, store: Store) -> None:
        """The last publication counts, not the first."""
        for name in ("a", "b", "c", "a"):
            put(store, name)

        assert [flow.name for flow in store.newest_flows(limit=2)] == ["a", "c"]

    def test_versions_are_read_in_pages(self, store: Store) -> None:
        """After the number of the last one seen."""
        for source in "abcd":
            put(store, "f", source)

        assert [one.number for one in store.flow_versions("f", limit=2)] == [4, 3]
        assert [one.number for one in store.flow_versions("f", limit=9, before=3)] == [2, 1]
        assert store.flow_versions("f", limit=9)[0].source_bytes == 1

    def test_versions_are_found_by_a_prefix(self, store: Store) -> None:
        """Of that flow alone."""
        first, other = put(store, "f", "a"), put(store, "g", "b")

        assert store.find_versions("f", first.version_sid[:8], limit=9) == [first.version_sid]
        assert store.find_versions("f", "", limit=9) == [first.version_sid]
        assert store.find_versions("f", other.version_sid, limit=9) == []
        assert store.find_versions("f", "%", limit=9) == []

    def test_an_archived_flow_is_neither_listed_nor_found(self, store: Store) -> None:
        """It is there still, and listed apart; published again, or brought back, it is as before."""
        put(store, "f", says="words")
        put(store, "g", says="words")

        assert store.archive_flow("f", is_archived=True).is_archived is True
        assert [flow.name for _, flow in store.list_flows(limit=9)] == ["g"]
        assert [flow.name for _, flow in store.list_flows(limit=9, archived=True)] == ["f"]
        assert [flow.name for flow in store.newest_flows(limit=9)] == ["g"]
        assert search(store, "words") == ["g"]
        assert search(store, "f") == []
        assert store.find_flow("f").is_archived is True

        assert store.archive_flow("f", is_archived=False).is_archived is False
        assert search(store, "words") == ["g", "f"]
        store.archive_flow("g", is_archived=True)
        assert put(store, "g").is_archived is False

    def test_archiving_twice_changes_nothing(self, store: Store) -> None:
        """No revision is taken for no change."""
        put(store, "f")
        first = store.archive_flow("f", is_archived=True)

        assert store.archive_flow("f", is_archived=True) == first
        assert store.revision() == first.revision

    def test_a_deleted_flow_is_gone_with_what_nobody_else_has(self, store: Store) -> None:
        """Its name is free, its words find nothing; a version of another flow stays."""
        gone, kept = put(store, "f", "a", says="words"), put(store, "g", "b")
        put(store, "f", "b")

        store.delete_flow("f")

        assert search(store, "words") == search(store, "f") == []
        with pytest.raises(NotFound):
            store.find_flow("f")
        with pytest.raises(NotFound):
            store.get_version(gone.version_sid)
        assert store.get_version(kept.version_sid).source == "b"
        assert put(store, "f", "c").versions == 1

    def test_a_flow_is_not_deleted_while_plays_refer_to_it(self, store: Store) -> None:
        """A play of any of its versions; archived it is deleted, and the plays keep their versions."""
        ran = version("a")
        store.create_play(Play(sid="p", version_sid=ran.version_sid), ran)
        put(store, "f", "a")
        put(store, "f", "b")
        before = store.revision()

        with pytest.raises(FlowInUse, match=r"ran versions of the flow 'f'.*--archive"):
            store.delete_flow("f")

        assert (store.revision(), store.find_flow("f").versions) == (before, 2)
        store.archive_flow("f", is_archived=True)
        store.delete_flow("f")
        assert store.get_version(ran.version_sid).source == "a"
        assert store.get_play("p").version_sid == ran.version_sid
        with pytest.raises(NotFound):
            store.get_version(version("b").version_sid)

    def test_plays_are_counted_up_to_a_limit(self, store: Store) -> None:
        """All versions of the flow count."""
        put(store, "f", "a")
        put(store, "f", "b")
        for sid, source in (("p", "a"), ("q", "b"), ("r", "b"), ("s", "other")):
            store.create_play(Play(sid=sid, version_sid=version(source).version_sid), version(source))

        assert store.count_plays("f", limit=9) == 3
        assert store.count_plays("f", limit=2) == 2

    @pytest.mark.parametrize(
        "call",
        [
            lambda store: store.find_flow("gone"),
            lambda store: store.flow_versions("gone", limit=1),
            lambda store: store.find_versions("gone", "", limit=1),
            lambda store: store.archive_flow("gone", is_archived=True),
            lambda store: store.count_plays("gone", limit=1),
            lambda store: store.delete_flow("gone"),
        ],
    )
    def test_an_unknown_flow_is_not_found(self, store: Store, call: object) -> None:
        """The message says which, and how to find the others; nothing changed."""
        with pytest.raises(NotFound, match=NO_FLOW):
            call(store)  # type: ignore[operator]

        assert store.revision() == 0

    def test_a_change_of_the_library_takes_a_revision_and_is_told(self, store: Store) -> None:
        """Of no play."""
        told: list[Commit] = []
        store.on_commit = told.append

        flow = put(store, "f")
        archived = store.archive_flow("f", is_archived=True)
        store.delete_flow("f")

        assert [commit.revision for commit in told] == [1, 2, 3]
        assert (flow.revision, archived.revision, store.revision()) == (1, 2, 3)
        assert [(commit.plays, dict(commit.spans)) for commit in told] == [((), {})] * 3

    def test_a_lone_surrogate_in_a_source_is_refused(self, store: Store) -> None:
        """And nothing is published."""
        with pytest.raises(StoreError):
            put(store, "f", "\ud800")

        assert store.list_flows(limit=9) == []

    def test_a_closed_library_says_so(self, store: Store) -> None:
        """Reading and writing alike."""
        store.close()

        for call in (lambda: store.newest_flows(limit=1), lambda: put(store, "f")):
            with pytest.raises(StoreError, match="is closed"):
                call()


class SearchContract:
    """What a search finds, and in which order."""

    def test_the_name_counts_more_than_the_description_the_tags_and_the_source(self, store: Store) -> None:
        """In that order, however long the texts are and however often the word is in them."""
        put(store, "in source", "weather\n" * 50)
        put(store, "in tags", tags=["weather"])
        put(store, "in description", description="weather weather weather")
        put(store, "the weather " + "of a very long name " * 5, "x = 1\n" * 5000, description="word " * 500)
        put(store, "elsewhere", "climate")

        found = search(store, "weather")

        assert [name.split(" of")[0] for name in found] == [
            "the weather",
            "in description",
            "in tags",
            "in source",
        ]

    def test_among_equals_the_newest_comes_first(self, store: Store) -> None:
        """By the last publication."""
        for name in ("report a", "report b", "report c", "report a"):
            put(store, name)

        assert search(store, "report") == ["report a", "report c", "report b"]
        assert search(store, "report", limit=1) == ["report a"]

    def test_a_flow_of_exactly_that_name_comes_first(self, store: Store) -> None:
        """However words are parted, and whatever is newer."""
        put(store, "nightly_report")
        put(store, "nightly report of the week")
        put(store, "report nightly")

        assert search(store, "Nightly Report")[0] == "nightly_report"

    @pytest.mark.parametrize(
        "query",
        [
            "rep",
            "REPORT",
            "nightlyreport",
            "NightlyRep",
            "nightly-rep",
            "résumé",
            "resume",
            "fetchpr",
            "prices",
            "日",
            "天日",
        ],
    )
    def test_a_word_is_found_by_its_beginning_in_any_case_with_or_without_accents(
        self, store: Store, query: str
    ) -> None:
        """And in parts, where it is put together of several."""
        put(store, "nightly_report", "def fetchPrices(): ...", description="Résumé of 今日天気")
        put(store, "other")

        assert search(store, query) == ["nightly_report"]

    def test_a_whole_word_is_better_than_a_beginning(self, store: Store) -> None:
        """In the same column."""
        put(store, "report one")
        put(store, "reporter two")

        assert search(store, "report") == ["report one", "reporter two"]

    @pytest.mark.parametrize(
        "query",
        [
            "wether",
            "weahter",
            "waether",
            "weathr",
            "weatherr",
            "eather",
            "wather",
            "xeather",
            "wethre",
            "wheather",
        ],
    )
    def test_a_word_with_a_typo_is_found(self, store: Store, query: str) -> None:
        """One or two letters missing, added, wrong or swapped."""
        put(store, "leather goods")
        put(store, "weather in town")

        assert search(store, query)[0] == "weather in town"

    @pytest.mark.parametrize(
        ("text", "query"), [("csv", "cvs"), ("invoice", "invocie"), ("Käse", "kase"), ("orders", "ordrs")]
    )
    @pytest.mark.parametrize("where", ["name", "description", "tags"])
    def test_typos_are_looked_for_in_names_descriptions_and_tags(
        self, store: Store, where: str, text: str, query: str
    ) -> None:
        """Short words too."""
        put(
            store,
            text if where == "name" else "x",
            description=text if where == "description" else None,
            tags=[text] if where == "tags" else None,
        )
        put(store, "something else")

        assert len(search(store, query)) == 1

    def test_a_word_that_is_known_is_not_taken_for_another(self, store: Store) -> None:
        """Who looks for a report wants no resort."""
        put(store, "report")
        put(store, "resort")

        assert search(store, "report") == ["report"]

    def test_a_match_comes_before_what_may_have_been_meant(self, store: Store) -> None:
        """A word of a source is looked for in the names as one with a typo too, after its flows."""
        put(store, "by source", "import requests")
        put(store, "request log")

        assert search(store, "requests") == ["by source", "request log"]

    def test_all_words_are_wanted(self, store: Store) -> None:
        """In any order and in any column; where no flow has all of them, those come that have most."""
        put(store, "nightly report", tags=["sales"])
        put(store, "weekly report")
        put(store, "nightly backup")

        assert search(store, "report nightly") == ["nightly report"]
        assert search(store, "sales rep nigtly") == ["nightly report"]
        assert search(store, "weekly backup") == ["nightly backup", "weekly report"]
        assert search(store, "weekly report zzzzzz") == ["weekly report"]
        assert search(store, "zzzzzz") == []

    def test_only_the_current_version_is_found(self, store: Store) -> None:
        """Words of before are gone."""
        put(store, "f", "alpha", says="gamma")
        put(store, "f", "beta", says="delta")

        assert (search(store, "alpha"), search(store, "gamma"), search(store, "gamme")) == ([], [], [])
        assert search(store, "beta") == search(store, "delta") == search(store, "dleta") == ["f"]

    def test_a_word_that_two_flows_had_is_found_until_both_are_gone(self, store: Store) -> None:
        """With a typo in it too."""
        put(store, "a", says="weather")
        put(store, "b", says="weather")

        store.delete_flow("a")
        assert search(store, "wether") == ["b"]
        store.delete_flow("b")
        assert search(store, "wether") == []


class FlowContract(LibraryContract, SearchContract):
    """All of it."""
