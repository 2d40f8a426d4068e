"""From what somebody wants run to what can be run: versions of flows, checked, and granted by the policy.

It is done twice. When a play is asked for, so that whoever asks hears at once why it cannot be; what was
decided goes on record with the play. And by the worker that runs it, from that record: nothing is decided
there, only looked up again.
"""

from __future__ import annotations

import os

from hero_logic.core.errors import NotGranted, UsageError
from hero_logic.core.flow_source import choose_entry, encode_source, read_flow_file
from hero_logic.core.grants import Grants, Said
from hero_logic.core.inputs import input_text
from hero_logic.core.policy import PlayLimits
from hero_logic.core.publishing import file_name
from hero_logic.core.records import Access, FlowVersion, Play, PlayOrder
from hero_logic.core.tiers import DEFAULT, SANDBOX_VARIABLE, check_minimum, check_wanted
from hero_logic.runner.granting import Permits, decide_grants
from hero_logic.runner.interpreter import check_requirements, choose_python
from hero_logic.service.play_verbs import Prepared, Wanted
from hero_logic.service.versions import as_ordered
from hero_logic.worker import RunOrder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.core.flow_source import FlowEntry, FlowFile

MAX_TIMEOUT_S = 1e9


class Preparer:
    """Prepares plays for one operator: their environment, and the data directory."""

    def __init__(self, environment: dict[str, str], data_dir: str) -> None:
        self._environment = environment
        self._data_dir = data_dir

    def prepare(self, version: FlowVersion, wanted: Wanted) -> Prepared:
        """Check what is wanted against a version, and decide what it is granted.

        Raises:
            UsageError: it cannot be run so, and why; NotGranted among them, where the flow asks for more than
                the policy grants.
            SandboxUnavailable: it is to be kept in less than what this runtime runs plays in.
        """
        path, flow_file = self._read(version)
        entry = choose_entry(flow_file, wanted.entry)
        # A published flow goes by the name that its library has for it, whatever it calls itself.
        flow_name = entry.name if version.path else version.flow_name
        for name, seconds in (("timeout_s", wanted.timeout_s), ("grace_s", wanted.grace_s)):
            if seconds is not None and not 0 < seconds < MAX_TIMEOUT_S:
                raise UsageError(
                    f"{name} is {seconds:g}: it is a number of seconds, above 0 and below {MAX_TIMEOUT_S:g}."
                )
        python = choose_python(wanted.python, self._environment)
        if flow_file.metadata is not None:
            check_requirements(flow_file.metadata, python, path)
        access = Access()
        if entry.needs is not None:
            permits = decide_grants(
                entry.needs,
                Said(),
                flow_name=flow_name,
                flow_path=path,
                python=python,
                environment=self._environment,
                data_dir=self._data_dir,
            )
            access = Access(needs=permits.asked_record(), grants=permits.granted_record())
        order = PlayOrder(
            function=entry.function,
            python="" if wanted.python is None else python,
            sandbox=self._sandbox(wanted),
            timeout_s=wanted.timeout_s,
            grace_s=wanted.grace_s,
            on_lost=entry.on_lost,
            path=version.path,
            published_name="" if version.path else version.flow_name,
        )
        return Prepared(flow_name, input_text(entry, document=wanted.input_json), access, order)

    def _sandbox(self, wanted: Wanted) -> str:
        """What a play is to be kept in: what is wanted, if that is no less than the environment's."""
        minimum = check_wanted(self._environment.get(SANDBOX_VARIABLE) or DEFAULT)
        return minimum if wanted.sandbox is None else check_minimum(check_wanted(wanted.sandbox), minimum)

    def run_order(self, play: Play, version: FlowVersion, order: PlayOrder) -> RunOrder:
        """What a play that waited is run with, as it was decided when it was asked for.

        Raises:
            UsageError: it cannot be run any more, and why.
        """
        version = as_ordered(version, order)
        path, flow_file = self._read(version)
        entry = choose_entry(flow_file, order.function)
        permits = None
        if entry.needs is not None or play.access.grants:
            permits = _permits(play.access, entry)
        return RunOrder(
            path=path,
            source=encode_source(version.source, path),
            entry=entry,
            input_json=play.input_json.encode(),
            python=choose_python(order.python or None, self._environment),
            environment=self._environment,
            let_through=() if permits is None else permits.env,
            permits=permits,
            limits=PlayLimits(timeout_s=order.timeout_s, grace_s=order.grace_s),
            sandbox=order.sandbox,
            # Nothing lies beside a flow that came from no file.
            imports=flow_file.imports if version.path else set(),
            published_name="" if version.path else version.flow_name,
        )

    def _read(self, version: FlowVersion) -> tuple[str, FlowFile]:
        """The path that a version goes by, and its flows; that of a published flow is for messages alone."""
        path = version.path or os.path.join(self._data_dir, "library", file_name(version.flow_name))
        return path, read_flow_file(version.source, path)


def _permits(access: Access, entry: FlowEntry) -> Permits:
    """What was granted, if it still is what it was.

    Raises:
        NotGranted: a path leads elsewhere by now.
    """
    grants = access.grants
    sockets = dict(text.split("=", 1) for text in grants.get("rpc", []))
    for path in (*grants.get("read", []), *grants.get("write", []), *sockets.values()):
        if os.path.realpath(path) != path:
            raise NotGranted(
                f"{path} was granted when the play was asked for, and leads to {os.path.realpath(path)} now; "
                "the play was not started. Ask for it again."
            )
    granted = Grants(
        read=grants.get("read", []),
        write=grants.get("write", []),
        net=grants.get("net", []),
        rpc=sockets,
        env=grants.get("env", []),
    )
    return Permits(granted, entry.needs, [])
