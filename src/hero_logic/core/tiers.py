"""What a play may be promised, and which promise a host can keep: pure, from proofs to a choice.

========  ==========================================================================================
tier0     limits of each process, a private directory, a scrubbed environment, an end for all that it starts
tier1     and isolation that this host has proven
tier2     and limits of all its processes together, proven too
========  ==========================================================================================

``auto`` is the highest tier that is proven and never below ``tier1``; ``best`` is what can be had; ``none``
promises nothing. A promise that cannot be kept is refused: no play runs in less than was asked for.
"""

from __future__ import annotations

from hero_logic.core.errors import SandboxUnavailable, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

WANTED = ("auto", "best", "tier0", "tier1", "tier2", "none")
DEFAULT = "auto"
SANDBOX_VARIABLE = "HERO_LOGIC_SANDBOX"

ISOLATIONS = ("native", "bubblewrap", "landlock")
"""In the order in which they are preferred: the fastest in which ordinary Python works comes first."""

WATCHER = "watcher"
RLIMITS = "rlimits"


class Proof:
    """Whether a host can do one thing, as it was tried; ``problem`` and ``remedy`` are sentences, or ""."""

    __slots__ = ("is_granted", "name", "problem", "remedy")

    def __init__(self, name: str, *, is_granted: bool, problem: str = "", remedy: str = "") -> None:
        self.name = name
        self.is_granted = is_granted
        self.problem = problem
        self.remedy = remedy


class Choice:
    """What a play is kept in: a tier, and by what means."""

    __slots__ = ("isolation", "resources", "tier")

    def __init__(self, tier: str, isolation: str, resources: str) -> None:
        self.tier = tier
        self.isolation = isolation
        self.resources = resources


NOTHING = Choice("none", "none", "none")
TIER_ZERO = Choice("tier0", "none", RLIMITS)


def check_wanted(wanted: str) -> str:
    """The word itself, if it is one of :data:`WANTED`.

    Raises:
        UsageError: it is not.
    """
    if wanted not in WANTED:
        raise UsageError(f"{wanted!r} is no sandbox; it may be {', '.join(WANTED)}.")
    return wanted


_STRENGTHS = {"none": 0, "tier0": 1, "best": 1, "auto": 2, "tier1": 2, "tier2": 3}


def check_minimum(wanted: str, minimum: str) -> str:
    """What a play asks for, if that promises no less than a runtime's minimum; both of :data:`WANTED`.

    Raises:
        SandboxUnavailable: it promises less.

    >>> check_minimum("tier2", "auto")
    'tier2'
    """
    if _STRENGTHS[wanted] < _STRENGTHS[minimum]:
        raise SandboxUnavailable(
            f"the play asks for --sandbox {wanted}, and this runtime runs nothing in less than {minimum}; "
            f"it was not started. Ask for {minimum}, or start the server or the worker with "
            f"{SANDBOX_VARIABLE}={wanted}."
        )
    return wanted


def choose(wanted: str, prove: Callable[[str], Proof], *, is_as_other: bool = False) -> Choice:
    """The means for what is wanted.

    Args:
        wanted: one of :data:`WANTED`.
        prove: gives the proof of one of :data:`ISOLATIONS`, or of :data:`WATCHER`; asked for no more than
            is needed, as a proof that is not known yet takes a moment.
        is_as_other: whether plays are to run as another user than the runtime, which only ``native`` does.

    Raises:
        SandboxUnavailable: it cannot be had on this host; what is missing, how to mend it, what accepts less.

    >>> choose("auto", lambda name: Proof(name, is_granted=name != "native")).isolation
    'bubblewrap'
    >>> choose("best", lambda name: Proof(name, is_granted=False)).tier
    'tier0'
    """
    if wanted in ("none", "tier0"):
        if is_as_other:
            raise SandboxUnavailable(_AS_OTHER.format(wanted=wanted))
        return NOTHING if wanted == "none" else TIER_ZERO
    refused = []
    for name in ("native",) if is_as_other else ISOLATIONS:
        proof = prove(name)
        if proof.is_granted:
            return _with_resources(wanted, name, prove)
        refused.append(proof)
    if wanted == "best" and not is_as_other:
        return TIER_ZERO
    raise SandboxUnavailable(_refusal(wanted, refused))


def _with_resources(wanted: str, isolation: str, prove: Callable[[str], Proof]) -> Choice:
    if wanted == "tier1":
        return Choice("tier1", isolation, RLIMITS)
    proof = prove(WATCHER)
    if proof.is_granted:
        return Choice("tier2", isolation, WATCHER)
    if wanted == "tier2":
        raise SandboxUnavailable(_refusal(wanted, [proof]))
    return Choice("tier1", isolation, RLIMITS)


_AS_OTHER = (
    "--sandbox {wanted} runs a play as this user, and HERO_LOGIC_PLAY_USER names another one, which takes "
    "the isolation native; it was not started. Unset the variable, or ask for tier1."
)


def _refusal(wanted: str, refused: list[Proof]) -> str:
    lines = [f"this host cannot keep a play from itself as --sandbox {wanted} promises; it was not started:"]
    lines += [f"  {proof.name}: {proof.problem}" for proof in refused]
    remedies = dict.fromkeys(proof.remedy for proof in refused if proof.remedy)
    if remedies:
        lines.append("To mend it, any one of:")
        lines += [f"  {remedy}" for remedy in remedies]
    lines.append(
        "`hero-logic doctor` tells more. To run flows that you trust with less: --sandbox best, "
        f"or {SANDBOX_VARIABLE}=best."
    )
    return "\n".join(lines)
