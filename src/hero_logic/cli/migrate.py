"""``hero-logic migrate``: legacy workflows, which were graphs in JSON, become flows in Python."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

from hero_logic.cli.main import EXIT_FAILED, EXIT_OK, EXIT_USAGE, put, put_json, say
from hero_logic.cli.migrate_report import all_services, counts_text, fault_documents, put_entries, run_command
from hero_logic.core.errors import InvalidWorkflow, UsageError
from hero_logic.core.wire import escape_controls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from hero_logic.client import Client
    from hero_logic.migrate import Migration

_EPILOG = """\
Each workflow becomes one file, DIR/NAME.py, called like the workflow. The report ends with the command that
runs it: -i NAME=VALUE gives an input, --rpc NAME=SOCKET lets it call a service.

A service is a JSON-RPC 2.0 server on a Unix socket, one JSON object a line each way, a connection a call:
  {"jsonrpc": "2.0", "id": 1, "method": "search", "params": {"text": "parcels"}}
  {"jsonrpc": "2.0", "id": 1, "result": ["post", "rail"]}
  {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "the catalogue is closed"}}
What asked a model calls the service ai, method complete, with model, system_prompt, prompt, temperature and
output_format. The result is {"text": "the answer"}; for the output_format json that text has to be JSON.

The report counts the parts of a workflow that were translated, and lists what has a remark or needs a person,
with the place in both files and what to do; --all lists every part, --json has all of it for programs.
The exit status is 0 if all was translated, 1 if something needs a person, 2 if a file is no valid workflow;
then all faults of all files are listed, and nothing at all is written. A file that somebody has changed since
it was made is not overwritten.

With --library each flow of the library whose newest version is a workflow gets a version in Python; the
workflow stays as the version before it, and an invalid one keeps no other one back.
"""

_CASES = ".cases.json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a workflow's file, or a directory: all *.json in it; *.cases.json are never workflows",
    )
    parser.add_argument(
        "--out", default=".", metavar="DIR", help="where the flows go (default: here); it is made if need be"
    )
    parser.add_argument(
        "--library",
        action="store_true",
        help="migrate the workflows in the library instead: each gets a version in Python",
    )
    parser.add_argument("--check", action="store_true", help="write nothing, and say what would become of it")
    parser.add_argument("--force", action="store_true", help="overwrite files that somebody has changed")
    parser.add_argument(
        "--all", action="store_true", help="list every part, also what was translated without a remark"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the reports as one JSON document, and nothing else"
    )


@dataclass(frozen=True, slots=True)
class _Flow:
    """A workflow's file, and where its flow goes."""

    path: str
    text: str
    name: str
    module: str


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Migrate; 0, 1 where something needs a person, 2 where nothing was written."""
    if arguments.library:
        from hero_logic.cli import migrate_library

        return migrate_library.execute(arguments, client)
    if not arguments.paths:
        raise UsageError("name the files or directories of the workflows, or give --library.")
    from hero_logic.migrate import translate

    flows = list(_flows(arguments.paths))
    known = {flow.name: flow.module for flow in flows}
    done: list[tuple[_Flow, Migration]] = []
    invalid: list[tuple[str, InvalidWorkflow]] = []
    for flow in flows:
        try:
            done.append((flow, translate(flow.text, known=known, name=flow.path, flow=flow.module)))
        except InvalidWorkflow as error:
            invalid.append((flow.path, error))
    if not invalid and not arguments.check:
        _write_all(arguments.out, done, force=arguments.force)
    if arguments.json:
        put_json([_document(arguments.out, done, invalid)])
    else:
        _put_reports(
            arguments.out, done, is_written=not arguments.check and not invalid, lists_all=arguments.all
        )
    for _, refused in invalid:
        say(f"hero-logic: {refused}")
    if invalid:
        return EXIT_USAGE
    return EXIT_FAILED if any(migration.report.needs_person for _, migration in done) else EXIT_OK


# --- Files ---------------------------------------------------------------------------------------------


def _flows(paths: list[str]) -> Iterator[_Flow]:
    """The workflows of some files and directories, each with a module of its own."""
    from hero_logic.migrate import module_names

    texts = [(path, _read(path)) for path in _files(paths)]
    for (path, text), (name, module) in zip(texts, module_names(text for _, text in texts), strict=True):
        yield _Flow(path, text, name, module)


def _files(paths: list[str]) -> list[str]:
    found: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            inside = sorted(name for name in os.listdir(path) if name.endswith(".json"))
            inside = [name for name in inside if not name.endswith(_CASES)]
            if not inside:
                raise UsageError(f"{path} has no workflow in it: no file whose name ends in .json.")
            found += [os.path.join(path, name) for name in inside]
        elif path.endswith(_CASES):
            # A shell that is given *.json names them too.
            say(
                f"hero-logic: {path} is left out: it holds cases of a workflow, by its name, and none itself."
            )
        else:
            found.append(path)
    if not found:
        raise UsageError("none of these files is a workflow's.")
    return list(dict.fromkeys(found))


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is no UTF-8 text: {error.reason} at byte {error.start}. Save it as UTF-8."
        ) from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _target(directory: str, flow: _Flow) -> str:
    return os.path.join(directory, f"{flow.module}.py")


def _write_all(directory: str, done: list[tuple[_Flow, Migration]], *, force: bool) -> None:
    """Write all flows, or none of them where one would overwrite what a person wrote."""
    targets = [(_target(directory, flow), migration.source) for flow, migration in done]
    if not force:
        _refuse_to_overwrite(targets)
    try:
        os.makedirs(directory, exist_ok=True)
        for path, source in targets:
            _write(path, source)
    except OSError as error:
        raise UsageError(f"{error.filename or directory} cannot be written: {error.strerror}.") from error


def _refuse_to_overwrite(targets: list[tuple[str, str]]) -> None:
    """Raise where a file is there that is not as migrate made it: of some paths and what they are to hold."""
    from hero_logic.migrate import was_made_here

    changed, others = [], []
    for path, source in targets:
        there = _there(path)
        if there is None or there == source:
            continue
        is_ours = was_made_here(there)
        if is_ours is None:
            others.append(path)
        elif not is_ours:
            changed.append(path)
    says = []
    if changed:
        says.append(f"{', '.join(changed)}: changed since migrate made it.")
    if others:
        says.append(f"{', '.join(others)}: there already, and not made by migrate.")
    if says:
        raise UsageError(
            f"{' '.join(says)} Nothing was written. Name another directory with --out, or "
            "overwrite with --force."
        )


def _there(path: str) -> str | None:
    """What a file holds; None where there is no file."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return ""


def _write(path: str, source: str) -> None:
    # Beside it first: a file is as it was, or as it is to be, and nothing in between.
    beside = f"{path}.{os.getpid()}.new"
    with open(beside, "w", encoding="utf-8", newline="") as file:
        file.write(source)
    os.replace(beside, path)


# --- The report ----------------------------------------------------------------------------------------


def _put_reports(
    directory: str, done: list[tuple[_Flow, Migration]], *, is_written: bool, lists_all: bool
) -> None:
    services = all_services(migration.report for _, migration in done)
    for flow, migration in done:
        report, target = migration.report, _target(directory, flow)
        verb = "->" if is_written else "would become"
        put(f"{escape_controls(flow.path)} {verb} {escape_controls(target)}: {counts_text(report)}\n")
        put_entries(report, path=flow.path, target=os.path.basename(target), lists_all=lists_all)
        if is_written:
            put(f"  run it: {escape_controls(run_command(report, target, services[report.flow]))}\n")


def _document(
    directory: str, done: list[tuple[_Flow, Migration]], invalid: list[tuple[str, InvalidWorkflow]]
) -> bytes:
    import json

    services = all_services(migration.report for _, migration in done)
    migrated = [
        {
            "file": flow.path,
            "target": _target(directory, flow),
            **migration.report.as_document(),
            "run": run_command(migration.report, _target(directory, flow), services[migration.report.flow]),
        }
        for flow, migration in done
    ]
    refused = [{"file": path, "faults": fault_documents(error)} for path, error in invalid]
    return json.dumps({"migrated": migrated, "refused": refused}, indent=2).encode()
