"""Which plays are looked for, and how much there is of them: facts that no play needs to run.

They are apart from the others for the start of a play: docs/design/0004-start-up.md.
"""

import msgspec


class PlayFilter(msgspec.Struct, frozen=True):
    """Which plays are wanted: all that is given has to be so."""

    flow: str | None = None
    statuses: tuple[str, ...] = ()
    """Any of these; all where none is given."""
    since_ms: float | None = None
    """Created then or later."""
    until_ms: float | None = None
    """Created before then."""
    text: str = ""
    """In the sid, the flow's name, the error or the input; small and capital letters of ASCII are one."""


class StoreSize(msgspec.Struct, frozen=True):
    """How much there is."""

    plays: int
    database_bytes: int
    """Of the database, what is free in it left out."""
    artifact_bytes: int
    """Of the files that plays left."""
    plays_waiting: int = 0
    """Of the plays, those that wait for a worker; 0 where nobody has counted them."""
    plays_running: int = 0
    """And those that run."""

    @property
    def total_bytes(self) -> int:
        """Both together."""
        return self.database_bytes + self.artifact_bytes
