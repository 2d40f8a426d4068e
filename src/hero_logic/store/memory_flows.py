"""The part of the store in memory that is about the library: as plain as can be, and slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hero_logic.core.errors import StoreError
from hero_logic.core.library import Flow, PublishedVersion
from hero_logic.core.search_text import (
    COLUMNS,
    FUZZY_COLUMNS,
    allowed_typos,
    guesses,
    index_words,
    name_key,
    name_texts,
    score,
)
from hero_logic.store.contract import Commit
from hero_logic.store.refusals import flow_in_use, no_such_flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from hero_logic.core.library import Publication
    from hero_logic.core.records import FlowVersion


class _Published(msgspec.Struct):
    """One flow and all that belongs to it."""

    place: int
    flow: Flow
    said_description: str
    version_sids: dict[str, float]
    """Each with the time at which the flow got it, in their order."""
    published: int


class MemoryFlows:
    """See :class:`hero_logic.store.flow_contract.FlowStore`; ``MemoryStore`` has the versions."""

    _lock: AbstractContextManager[bool]
    _plays: dict[str, Any]
    _versions: dict[str, FlowVersion]
    _revision: int

    def __init__(self) -> None:
        self._flows: dict[str, _Published] = {}
        self._last_place = 0

    def _check_open(self) -> None:
        raise NotImplementedError

    def _tell(self, commit: Commit) -> None:
        raise NotImplementedError

    def put_flow(self, publication: Publication) -> tuple[Flow, bool]:
        """Publish a version under a name; the flow, and whether it got a new version (flow_contract.py)."""
        with self._lock:
            self._check_open()
            version = msgspec.json.decode(encoded(publication.version), type=type(publication.version))
            tags = None if publication.tags is None else msgspec.json.decode(encoded(publication.tags))
            self._versions.setdefault(version.version_sid, version)
            self._revision += 1
            of = self._by_name(publication.name)
            is_first = of is None
            if of is None:
                self._last_place += 1
                of = _Published(self._last_place, _new_flow(publication), "", {}, 0)
                self._flows[publication.new_flow_sid] = of
            if publication.description is not None:
                of.said_description = publication.description
            is_new = version.version_sid not in of.version_sids
            of.version_sids.setdefault(version.version_sid, version.created_ms)
            of.published = self._revision
            of.flow = msgspec.structs.replace(
                of.flow,
                description=of.said_description or publication.source_description,
                tags=(tags or []) if is_first or tags is not None else of.flow.tags,
                is_archived=False,
                version_sid=version.version_sid,
                kind=self._versions[version.version_sid].kind,
                versions=len(of.version_sids),
                published_ms=version.created_ms,
                revision=self._revision,
            )
            self._tell(Commit(self._revision))
            return _copied(of.flow), is_new

    def find_flow(self, flow: str) -> Flow:
        """A flow by its sid or its name, archived ones too (flow_contract.py)."""
        with self._lock:
            return _copied(self._find_published(flow).flow)

    def list_flows(
        self, *, limit: int, before: int | None = None, archived: bool = False
    ) -> list[tuple[int, Flow]]:
        """Flows with their places, in a fixed order (flow_contract.py)."""
        with self._lock:
            self._check_open()
            found = [
                (of.place, _copied(of.flow))
                for of in self._flows.values()
                if of.flow.is_archived == archived and (before is None or of.place < before)
            ]
        return sorted(found, key=lambda one: -one[0])[: max(limit, 0)]

    def newest_flows(self, *, limit: int) -> list[Flow]:
        """Flows, the one of which something was published last first (flow_contract.py)."""
        with self._lock:
            self._check_open()
            found = [of for of in self._flows.values() if not of.flow.is_archived]
            found.sort(key=lambda of: -of.published)
            return [_copied(of.flow) for of in found[: max(limit, 0)]]

    def search_flows(self, words: Sequence[str], *, limit: int) -> list[Flow]:
        """Flows that have these words, the best first (flow_contract.py)."""
        with self._lock:
            self._check_open()
            columns = {sid: self._words(of) for sid, of in self._flows.items() if not of.flow.is_archived}
            meant = {word: _meant(word, columns.values()) for word in words}
            found = []
            for sid, words_of in columns.items():
                scores = [score(word, meant[word], words_of.__getitem__) for word in words]
                is_named = name_key(self._flows[sid].flow.name) == " ".join(words)
                ranking = (is_named, sum(worth > 0 for worth in scores), sum(scores))
                if ranking[1]:
                    found.append((ranking, self._flows[sid].published, sid))
            most = max((ranking[1] for ranking, _, _ in found), default=0)
            ordered = sorted(found, reverse=True)
            return [
                _copied(self._flows[sid].flow)
                for ranking, _, sid in ordered
                if ranking[0] or ranking[1] == most
            ][: max(limit, 0)]

    def flow_versions(
        self, flow_sid: str, *, limit: int, before: int | None = None
    ) -> list[PublishedVersion]:
        """Versions of a flow, the one that it got last first (flow_contract.py)."""
        with self._lock:
            of = self._find_published(flow_sid)
            found = [
                PublishedVersion(
                    version_sid=sid,
                    number=number,
                    kind=self._versions[sid].kind,
                    created_ms=created_ms,
                    is_current=sid == of.flow.version_sid,
                    source_bytes=len(self._versions[sid].source.encode()),
                )
                for number, (sid, created_ms) in enumerate(of.version_sids.items(), 1)
                if before is None or number < before
            ]
        return found[::-1][: max(limit, 0)]

    def find_versions(self, flow_sid: str, prefix: str, *, limit: int) -> list[str]:
        """The sids of the versions of a flow that begin with a prefix (flow_contract.py)."""
        with self._lock:
            of = self._find_published(flow_sid)
            return [sid for sid in of.version_sids if sid.startswith(prefix)][: max(limit, 0)]

    def archive_flow(self, flow_sid: str, *, is_archived: bool) -> Flow:
        """Say whether a flow is archived; the flow as it stands then (flow_contract.py)."""
        with self._lock:
            of = self._find_published(flow_sid)
            if of.flow.is_archived != is_archived:
                self._revision += 1
                of.flow = msgspec.structs.replace(of.flow, is_archived=is_archived, revision=self._revision)
                self._tell(Commit(self._revision))
            return _copied(of.flow)

    def count_plays(self, flow_sid: str, *, limit: int) -> int:
        """How many plays ran a version of a flow, counted up to a limit (flow_contract.py)."""
        with self._lock:
            return min(self._plays_of(self._find_published(flow_sid)), max(limit, 0))

    def delete_flow(self, flow_sid: str) -> None:
        """Remove a flow, and what nothing else has of it (flow_contract.py)."""
        with self._lock:
            of = self._find_published(flow_sid)
            if not of.flow.is_archived and self._plays_of(of):
                raise flow_in_use(of.flow.name)
            del self._flows[of.flow.flow_sid]
            kept = {play.play.version_sid for play in self._plays.values()}
            kept.update(sid for other in self._flows.values() for sid in other.version_sids)
            for sid in of.version_sids.keys() - kept:
                del self._versions[sid]
            self._revision += 1
            self._tell(Commit(self._revision))

    # --- call these with the lock held ---------------------------------------------------------------

    def _by_name(self, name: str) -> _Published | None:
        return next((of for of in self._flows.values() if of.flow.name == name), None)

    def _find_published(self, flow: str) -> _Published:
        self._check_open()
        found = self._flows.get(flow) or self._by_name(flow)
        if found is None:
            raise no_such_flow(flow)
        return found

    def _plays_of(self, of: _Published) -> int:
        return sum(play.play.version_sid in of.version_sids for play in self._plays.values())

    def _words(self, of: _Published) -> dict[str, set[str]]:
        flow = of.flow
        texts = (
            name_texts(flow.name),
            [flow.description],
            flow.tags,
            [self._versions[flow.version_sid].source],
        )
        return {column: set(index_words(some)) for column, some in zip(COLUMNS, texts, strict=True)}


def _meant(word: str, everyones: Iterable[dict[str, set[str]]]) -> dict[str, int]:
    """What a word may have been meant as that no name, description or tag has."""
    known = {one for columns in everyones for column in FUZZY_COLUMNS for one in columns[column]}
    if any(one.startswith(word) for one in known):
        return {}
    return dict(guesses(word, [one for one in known if allowed_typos(one)]))


def _new_flow(publication: Publication) -> Flow:
    version = publication.version
    return Flow(
        flow_sid=publication.new_flow_sid,
        name=publication.name,
        description="",
        tags=[],
        is_archived=False,
        version_sid=version.version_sid,
        kind=version.kind,
        versions=0,
        created_ms=version.created_ms,
        published_ms=version.created_ms,
        revision=0,
    )


def encoded(value: object) -> bytes:
    """A value as JSON.

    Raises:
        StoreError: it has text that no store can hold.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError as error:
        raise StoreError(
            f"a store cannot hold a value ({error}); nothing of this was recorded. "
            "Replace lone surrogates by U+FFFD."
        ) from error


def _copied(flow: Flow) -> Flow:
    return msgspec.structs.replace(flow, tags=list(flow.tags))
