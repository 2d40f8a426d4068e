"""What the verbs of the command line ask, wherever it is answered: in this process (local.py, on_record.py),
or by a server (against.py, server_record.py). The type checker holds both to it; it is loaded by nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from hero_logic.client.wanted import RunRequest, ToPublish
    from hero_logic.core.finding import PlayFilter, StoreSize
    from hero_logic.core.library import (
        Flow,
        FlowDetails,
        FlowPage,
        FlowPut,
        FoundFlows,
        VersionPage,
    )
    from hero_logic.core.records import Changes, NameStats, Play, Span, SpanRow
    from hero_logic.service.outline import Outline
    from hero_logic.worker import Face


class FlowLibrary(Protocol):
    """Published flows: service/flows.py says what each call does."""

    def put(
        self,
        *,
        name: str,
        python_source: str,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        beside: Collection[str] = (),
    ) -> FlowPut:
        """Publish a source under a name."""
        ...

    def put_legacy(
        self,
        *,
        name: str,
        dag_json: str,
        description: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> FlowPut:
        """Keep a workflow of before."""
        ...

    def get(self, flow_sid: str, *, version_sid: str = "") -> FlowDetails:
        """A flow with the source of a version."""
        ...

    def find(self, flow_sid: str) -> Flow:
        """A flow as it stands."""
        ...

    def versions(self, flow_sid: str, *, limit: int = 20, cursor: str | None = None) -> VersionPage:
        """A page of its versions."""
        ...

    def list(self, *, limit: int = 20, cursor: str | None = None, archived: bool = False) -> FlowPage:
        """A page of flows."""
        ...

    def archive(self, flow_sid: str, *, is_archived: bool = True) -> Flow:
        """Put a flow away, or bring it back."""
        ...

    def delete(self, flow_sid: str) -> Flow:
        """Remove a flow."""
        ...

    def count_plays(self, flow_sid: str) -> int:
        """How many plays ran it."""
        ...


class FlowSearch(Protocol):
    """The search: service/library.py."""

    def search(self, query: str = "", *, limit: int = 20) -> FoundFlows:
        """Flows that a text fits."""
        ...


class Reading(Protocol):
    """What is on record: on_record.py says what each call does."""

    def play(self, sid: str) -> Play:
        """A play."""
        ...

    def path_of(self, play: Play) -> str:
        """The file that its flow came from."""
        ...

    @property
    def flows(self) -> FlowLibrary:
        """The published flows."""
        ...

    @property
    def library(self) -> FlowSearch:
        """Their search."""
        ...

    def flow_document(self, said: FlowPut | FlowPage | FoundFlows | FlowDetails | VersionPage) -> bytes:
        """What was said of flows as JSON."""
        ...

    def spans(self, sid: str) -> Iterator[Span]:
        """All spans of a play."""
        ...

    def logs(self, sid: str, span_id: str) -> str:
        """The logs of a span."""
        ...

    def outline(self, play: Play) -> Outline | None:
        """A part of a large play."""
        ...

    def failed(self, sid: str, *, limit: int) -> tuple[list[SpanRow], list[SpanRow]]:
        """What failed, and what is around it."""
        ...

    def status_counts(self, sid: str) -> dict[str, int]:
        """How many spans have which status."""
        ...

    def stats(self, sid: str, *, limit: int) -> tuple[list[NameStats], bool]:
        """What spans took, by name."""
        ...

    def changes(self, sid: str, *, since: int, interval_s: float) -> Iterator[Changes | None]:
        """What changes of a play, to its end."""
        ...

    def play_line(self, play: Play) -> bytes:
        """A play as a line of JSON."""
        ...

    def change_lines(self, plays: Iterable[Play], rows: Iterable[SpanRow]) -> Iterator[bytes]:
        """Changes as lines of JSON."""
        ...

    def failed_document(self, sid: str) -> Iterator[bytes]:
        """What failed as JSON."""
        ...

    def stats_document(self, sid: str, *, limit: int) -> bytes:
        """What spans took as JSON."""
        ...

    def document(self, play: Play) -> Iterator[bytes]:
        """A play as JSON."""
        ...

    def page(
        self, *, limit: int, before: str | None, wanted: PlayFilter | None = None
    ) -> tuple[list[Play], str | None]:
        """A page of plays."""
        ...

    def size(self) -> StoreSize:
        """How much there is."""
        ...

    def list_document(self, plays: list[Play], next_cursor: str | None) -> bytes:
        """A page of plays as JSON."""
        ...


class Verbs(Protocol):
    """What is asked of plays: service/play_verbs.py says what each call does."""

    def play_cancel(self, play_sid: str, *, asked_by: str = "") -> Play:
        """Have a play ended."""
        ...

    def play_wait(self, play_sid: str, *, timeout_ms: float = 0.0) -> Play:
        """Wait for its end."""
        ...

    def play_retry(self, play_sid: str, *, keeps_grants: bool = False, asked_by: str = "") -> str:
        """Have it run again."""
        ...

    def play_delete(self, play_sid: str) -> None:
        """Remove it."""
        ...


class Asked(Protocol):
    """Who is asked: local.py says what each call does."""

    @property
    def said_server(self) -> str:
        """What has to be said beside a verb to ask the same one again."""
        ...

    def ready(self, request: RunRequest) -> Callable[[Face], Play]:
        """What runs what is wanted."""
        ...

    def ready_again(self, play: Play) -> Callable[[Face], Play]:
        """What runs a play again."""
        ...

    def read(self) -> AbstractContextManager[Reading]:
        """What is on record."""
        ...

    def ask(self) -> AbstractContextManager[Verbs]:
        """What is asked of plays."""
        ...

    def list_document(self, plays: list[Play], next_cursor: str | None) -> bytes:
        """Plays as JSON."""
        ...

    def artifacts_dir(self, sid: str) -> str:
        """Where the artifacts of a play lie; "" where that is nowhere here."""
        ...

    def prepare_keeping(self, target_dir: str) -> None:
        """Make the directory that artifacts are to be copied to."""
        ...

    def keep_artifacts(self, play: Play, target_dir: str) -> None:
        """Copy them."""
        ...

    def read_to_publish(self, path: str, name: str | None) -> ToPublish:
        """Read a file that is to be published."""
        ...
