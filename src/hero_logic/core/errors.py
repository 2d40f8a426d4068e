"""Every error that hero_logic raises on purpose.

The tree, one class for each thing a caller would do differently::

    HeroLogicError
    ├── UsageError                 the caller asked for something that cannot be: exit status 2
    │   ├── BadInput               a flow's input has an unknown, missing or wrong value
    │   ├── NoEntry                no flow, or more than one, where one was to be run
    │   ├── BadFlowFile            the file cannot be read, or is not Python
    │   ├── UnmetRequirements      inline script metadata asks for what the interpreter does not have
    │   ├── NotGranted             a flow asks for what its operator has not granted
    │   ├── BadSid                 a play id that no play can have
    │   ├── LegacyFlow             a version holds a workflow of before, which nothing runs
    │   ├── InvalidWorkflow        a legacy workflow that means nothing: all of its faults
    │   └── FlowArchived           a flow that is archived was to be run
    ├── NotFound                   no such play or flow: exit status 3
    ├── FlowInUse                  a flow cannot be deleted while plays of it are on record
    ├── MalformedEvent             a line of a play's stream that is not an event
    ├── IllegalMove                a play's status cannot change that way
    ├── SocketInUse                the path of a span socket is taken
    ├── LaunchFailed               the play's process could not be started
    ├── SandboxUnavailable         this host cannot keep a play from itself as was asked
    ├── ArtifactsNotKept           a play's artifacts could not be copied where they were wanted
    ├── ServerRefused              a server does not do what was asked of it
    │   ├── NotAuthorized          no token, or a wrong one
    │   ├── ForeignRequest         of another site, or to a name that is not the server's
    │   ├── TooLarge               a request, or what it asks for, is over a limit
    │   ├── TooMany                too many requests, connections or failures at a time
    │   │   └── InboxFull          too many events wait for a play
    │   ├── ServerStopping         it takes no more requests
    │   └── OtherRelease           it is of another release, and does not know what was asked
    ├── ServerUnreachable          no server answers, or not as one of ours does
    └── StoreError                 the store cannot do what was asked
        ├── StoreLocked            another process held it for too long
        ├── StoreVersionMismatch   it was written by a newer release, or is none of ours
        └── StoreDamaged           it cannot be read

Each has a stable ``code`` for programs, and a message for people that says what happened (with the
value), why, and what to do next.
"""


class HeroLogicError(Exception):
    """Anything that hero_logic raises on purpose; ``code`` is stable across releases."""

    code = "error"
    exit_status = 1


class UsageError(HeroLogicError):
    """The caller asked for something that cannot be; nothing was recorded."""

    code = "usage"
    exit_status = 2


class BadInput(UsageError):
    """A flow's input has an unknown name, a missing one, or a value of the wrong type."""

    code = "bad_input"


class NoEntry(UsageError):
    """A file holds no flow, or several and none was named."""

    code = "no_entry"


class BadFlowFile(UsageError):
    """A flow's file cannot be read, or is not Python source."""

    code = "bad_flow_file"


class UnmetRequirements(UsageError):
    """Inline script metadata asks for a Python or for packages that the interpreter does not have."""

    code = "unmet_requirements"


class NotGranted(UsageError):
    """A flow asks for a path, a host, a service or a variable that was not granted; it was not started."""

    code = "not_granted"


class BadSid(UsageError):
    """A play id that is not 1 to 64 of ``A-Z a-z 0-9 _ -``."""

    code = "bad_sid"


class LegacyFlow(UsageError):
    """A version holds a workflow of before and no Python source; nothing was started."""

    code = "legacy_flow"


class WorkflowFault:
    """One fault of a legacy workflow.

    Attributes:
        says: what is wrong, with the value, and what may stand there.
        pointer: its place in the file, as a JSON pointer.
        line: the same, from 1.
        column: and the column, from 1.
    """

    __slots__ = ("column", "line", "pointer", "says")

    def __init__(self, says: str, pointer: str, line: int, column: int) -> None:
        self.says = says
        self.pointer = pointer
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.pointer or '/'}: {self.says}"


class InvalidWorkflow(UsageError):
    """A legacy workflow that means nothing; ``faults`` are all that it has, in the order of the file."""

    code = "invalid_workflow"

    def __init__(self, message: str, faults: tuple[WorkflowFault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class FlowArchived(UsageError):
    """A flow of the library that was to be run is archived; nothing was started."""

    code = "flow_archived"


class FlowInUse(HeroLogicError):
    """A flow was not deleted, since plays on record ran versions of it."""

    code = "flow_in_use"


class NotFound(HeroLogicError):
    """There is no play or flow of that name."""

    code = "not_found"
    exit_status = 3


class MalformedEvent(HeroLogicError):
    """A line of a play's stream that is not an event (docs/protocol.md, "Malformed lines")."""

    code = "malformed_event"


class IllegalMove(HeroLogicError):
    """A play's status cannot change in that way (core/lifecycle.py has the table)."""

    code = "illegal_move"


class SocketInUse(HeroLogicError):
    """The path of a span socket is taken by a live socket, or by something that is no socket."""

    code = "socket_in_use"


class LaunchFailed(HeroLogicError):
    """The process of a play could not be started."""

    code = "launch_failed"


class SandboxUnavailable(HeroLogicError):
    """What was asked for to keep a play in cannot be had on this host; the play was not started."""

    code = "sandbox_unavailable"


class ArtifactsNotKept(HeroLogicError):
    """The artifacts of a play could not be copied to where they were wanted; the play is on record."""

    code = "artifacts_not_kept"


class ServerRefused(HeroLogicError):
    """A server does not do what was asked of it."""

    code = "refused"


class NotAuthorized(ServerRefused):
    """A request has no token, session or login code, or a wrong one."""

    code = "not_authorized"


class ForeignRequest(ServerRefused):
    """A request comes from a page of another site, or to a host name that is not the server's."""

    code = "foreign_request"


class TooLarge(ServerRefused):
    """A request, or what it asks for in one answer, is over a limit."""

    code = "too_large"


class TooMany(ServerRefused):
    """Too many requests, connections or failures in too short a time; ``wait_s`` is how long to wait."""

    code = "too_many"
    wait_s = 1.0


class InboxFull(TooMany):
    """An event was not taken, since too many wait for the runtime of its play to take them in."""

    code = "inbox_full"


class ServerStopping(ServerRefused):
    """The server is about to stop and takes no more requests."""

    code = "stopping"


class OtherRelease(ServerRefused):
    """A server is of another release than who asks, and the two do not understand each other."""

    code = "other_release"


class ServerUnreachable(HeroLogicError):
    """No server answers where one was expected, or what answers is none of ours."""

    code = "server_unreachable"


class StoreError(HeroLogicError):
    """The store cannot do what was asked of it."""

    code = "store_error"


class StoreLocked(StoreError):
    """Another process held the store for longer than we wait."""

    code = "store_locked"


class StoreVersionMismatch(StoreError):
    """The store was written by a newer release, or is not one of ours."""

    code = "store_version_mismatch"


class StoreDamaged(StoreError):
    """The store cannot be read; it was left as it is."""

    code = "store_damaged"
