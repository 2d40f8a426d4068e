"""What every store promises of the library: published flows, their versions, and finding them.

The laws of :mod:`hero_logic.store.contract` hold. A change of a flow takes a revision, and is told with
none of the plays. A play refers to the version that it ran, and through it to every flow that has this
version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hero_logic.core.library import Flow, Publication, PublishedVersion


class FlowStore(Protocol):
    """The part of a store that is about the library."""

    def put_flow(self, publication: Publication) -> tuple[Flow, bool]:
        """Publish a version under a name; the flow as it stands then, and whether it got a new version.

        A name that no flow has makes a flow. A version that the flow has becomes its current one again, and
        keeps its number and its time. The flow is no longer archived.
        """
        ...

    def find_flow(self, flow: str) -> Flow:
        """A flow by its sid or its name, archived ones too.

        Raises:
            NotFound: there is none.
        """
        ...

    def list_flows(
        self, *, limit: int, before: int | None = None, archived: bool = False
    ) -> list[tuple[int, Flow]]:
        """Flows with their places, the one published first last: in a fixed order, whatever is published
        meanwhile.

        Args:
            limit: how many at the most.
            before: the place of the last one of the page before.
            archived: those that are archived, in place of those that are not.
        """
        ...

    def newest_flows(self, *, limit: int) -> list[Flow]:
        """Flows that are not archived, the one of which something was published last first."""
        ...

    def search_flows(self, words: Sequence[str], *, limit: int) -> list[Flow]:
        """Flows that are not archived and have these words, the best first.

        A flow whose name is these words comes first. Then those that have all of them, or where there are
        none, most of them: ordered by the sum of the best match of each word (``COLUMN_WEIGHTS`` times
        ``EXACT``, ``PREFIX``, or less with typos), the newest first among equals. A word that neither is
        nor begins a word of any name, description or tag also finds those that it may have been meant as.

        Args:
            words: as ``core.search_text.query_words`` gives them; one at least.
            limit: how many at the most.
        """
        ...

    def flow_versions(
        self, flow_sid: str, *, limit: int, before: int | None = None
    ) -> list[PublishedVersion]:
        """Versions of a flow, the one that it got last first; ``before`` is the number of the last one seen.

        Raises:
            NotFound: there is no such flow.
        """
        ...

    def find_versions(self, flow_sid: str, prefix: str, *, limit: int) -> list[str]:
        """The sids of the versions of a flow that begin with a prefix, at most ``limit``, in any order."""
        ...

    def archive_flow(self, flow_sid: str, *, is_archived: bool) -> Flow:
        """Say whether a flow is archived; the flow as it stands then.

        Raises:
            NotFound: there is no such flow.
        """
        ...

    def count_plays(self, flow_sid: str, *, limit: int) -> int:
        """How many plays ran a version of a flow, counted up to a limit.

        Raises:
            NotFound: there is no such flow.
        """
        ...

    def delete_flow(self, flow_sid: str) -> None:
        """Remove a flow; of its versions those stay that a play ran, or that another flow has.

        Raises:
            NotFound: there is no such flow.
            FlowInUse: it is not archived, and a play ran a version of it.
        """
        ...
