"""The plays on record, for as long as a ``with`` block lasts: to read them, and to ask something of them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hero_logic.core.finding import PlayFilter, StoreSize
    from hero_logic.core.library import FlowDetails, FlowPage, FlowPut, FoundFlows, VersionPage
    from hero_logic.core.records import Changes, NameStats, Play, Span, SpanRow
    from hero_logic.service.feed import Follower
    from hero_logic.service.flows import Flows
    from hero_logic.service.library import Library
    from hero_logic.service.outline import Outline
    from hero_logic.service.play_verbs import PlayVerbs
    from hero_logic.service.session import Session

_LOOK_S = 0.1
"""How often the store is asked whether anything has changed."""
_LOST_S = 1.0
"""After how long a silence, and then how often, it is looked whether the play's runtime is gone."""


class Asking:
    """What can be asked of plays, while a ``with`` block lasts."""

    def __init__(self, session: Session, make_verbs: Callable[[Session], PlayVerbs]) -> None:
        self._session = session
        self._make_verbs = make_verbs

    def __enter__(self) -> PlayVerbs:
        self._session.__enter__()
        return self._make_verbs(self._session)

    def __exit__(self, *_: object) -> None:
        self._session.__exit__()


class Reading:
    """The plays on record, while a ``with`` block lasts."""

    def __init__(self, session: Session, *, open_session: Callable[[], Session]) -> None:
        self._session = session
        self._open_session = open_session

    def __enter__(self) -> Reading:
        self._session.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._session.__exit__()

    def play(self, sid: str) -> Play:
        """A play by its sid, or ``last``.

        Raises:
            NotFound: there is no such play.
        """
        return self._session.plays.get(sid)

    def path_of(self, play: Play) -> str:
        """The file that a play's flow came from; "" for one that was not run here."""
        return self._session.store.get_version(play.version_sid).path if play.version_sid else ""

    @property
    def flows(self) -> Flows:
        """The published flows: what of them is asked and changed."""
        return self._session.flows

    @property
    def library(self) -> Library:
        """The search of published flows."""
        return self._session.library

    def flow_document(self, said: FlowPut | FlowPage | FoundFlows | FlowDetails | VersionPage) -> bytes:
        """What was said of flows as one JSON document."""
        from hero_logic.service.flow_document import flow_document

        return flow_document(said)

    def spans(self, sid: str) -> Iterator[Span]:
        """All spans of a play."""
        return self._session.plays.spans(sid)

    def logs(self, sid: str, span_id: str) -> str:
        """The logs of one span, whole.

        Raises:
            NotFound: there is no such span.
        """
        return self._session.plays.logs(sid, span_id)

    def outline(self, play: Play) -> Outline | None:
        """The part of a large play that is read to show it; None for one whose spans are to be read all."""
        return self._session.plays.outline(play)

    def failed(self, sid: str, *, limit: int) -> tuple[list[SpanRow], list[SpanRow]]:
        """The first spans that ended and not ``ok``; and these again among the spans around them."""
        return self._session.plays.failed(sid, limit=limit)

    def status_counts(self, sid: str) -> dict[str, int]:
        """How many spans of a play have which status."""
        return self._session.plays.status_counts(sid)

    def stats(self, sid: str, *, limit: int) -> tuple[list[NameStats], bool]:
        """What the ended spans of each name took, the highest total first; and whether there are more."""
        return self._session.plays.stats(sid, limit=limit)

    def follow(self, sid: str, *, since: int) -> Follower:
        """What changes of a play after a revision of the store, whichever process runs it."""
        from hero_logic.service.feed import Follower

        return Follower(self._session.store, sid, since=since)

    def changes(self, sid: str, *, since: int, interval_s: float) -> Iterator[Changes | None]:
        """What changes of a play after a revision, until it has ended and all is told.

        None each time that nothing has changed for ``interval_s``.
        """
        from time import monotonic

        from hero_logic.core.lifecycle import is_terminal

        follower = self.follow(sid, since=since)
        # Asked after the revision that we go on from was noted: an end that is older is not among the
        # changes.
        has_ended = is_terminal(self.play(sid).status)
        heard_s = monotonic()
        while True:
            changes = follower.take(interval_s, interval_s=min(interval_s, _LOOK_S))
            if changes is not None:
                heard_s = monotonic()
                has_ended = has_ended or any(is_terminal(play.status) for play in changes.plays)
            elif not has_ended and monotonic() - heard_s >= _LOST_S:
                # Nobody else may come to end a play whose runtime was killed.
                self.end_lost()
                heard_s = monotonic()
            yield changes
            if has_ended and (changes is None or changes.is_all):
                return

    def end_lost(self) -> None:
        """Give plays whose runtime is gone their end, as every command does when it begins."""
        with self._open_session():
            pass

    def play_line(self, play: Play) -> bytes:
        """A play as it stands, as a line of JSON."""
        from hero_logic.service.extracts import play_line

        return play_line(play)

    def change_lines(self, plays: Iterable[Play], rows: Iterable[SpanRow]) -> Iterator[bytes]:
        """What changed, as lines of JSON, in the order of revisions; plays that have ended are left out."""
        from hero_logic.service.extracts import change_lines

        return change_lines(plays, rows)

    def failed_document(self, sid: str) -> Iterator[bytes]:
        """All spans that ended and not ``ok`` as one JSON document, in pieces."""
        from hero_logic.service.extracts import failed_document

        return failed_document(sid, self._session.plays.failed_whole(sid))

    def stats_document(self, sid: str, *, limit: int) -> bytes:
        """What the spans of each name took, as one JSON document."""
        from hero_logic.service.extracts import stats_document

        names, is_more = self.stats(sid, limit=limit)
        return stats_document(sid, names, is_all=not is_more)

    def document(self, play: Play) -> Iterator[bytes]:
        """The play and its spans as one JSON document, in pieces."""
        from hero_logic.service.document import play_document

        return play_document(play, self.spans(play.sid))

    def page(
        self, *, limit: int, before: str | None, wanted: PlayFilter | None = None
    ) -> tuple[list[Play], str | None]:
        """Plays, newest first, and the cursor of the next page.

        Raises:
            NotFound: the cursor names no play.
        """
        return self._session.plays.list(limit=limit, before=before, wanted=wanted)

    def size(self) -> StoreSize:
        """How much there is on record, and how many plays wait and run."""
        return self._session.plays.size()

    def list_document(self, plays: list[Play], next_cursor: str | None) -> bytes:
        """A page of plays as one JSON document, with how much there is."""
        from hero_logic.service.document import list_document

        return list_document(plays, next_cursor, self.size())
