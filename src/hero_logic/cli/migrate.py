"""``hero-logic migrate``: legacy workflows, which were graphs in JSON, become flows in Python."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

from hero_logic.cli.main import EXIT_FAILED, EXIT_OK, EXIT_USAGE, put, put_json, say
from hero_logic.core.errors import InvalidWorkflow, UsageError
from hero_logic.core.wire import escape_controls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from hero_logic.client import Client
    from hero_logic.migrate import Migration, Report

_EPILOG = """\
Each workflow becomes one file, DIR/NAME.py, called like the workflow: run it with hero-logic run DIR/NAME.py.
What it takes are its parameters: -i NAME=VALUE gives one. The services that it calls are in it as
flow.service("NAME"): grant each of them with --rpc NAME=SOCKET when you run it.

The report says of each part what became of it: translated, translated with a remark, or left to a person,
with the place in both files. The exit status is 0 if all was translated, 1 if something needs a person,
2 if a workflow means nothing; then every fault of it is told, and nothing at all is written.
A file that somebody has changed since it was made is not overwritten.

With --library each flow of the library whose newest version is a workflow gets a version in Python; the
workflow stays as the version before it, and one that means nothing keeps no other one back.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a workflow's file, or a directory: all *.json in it that are none of *.cases.json",
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
        for flow, migration in done:
            _put_report(
                flow,
                migration.report,
                _target(arguments.out, flow),
                is_check=arguments.check or bool(invalid),
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
            inside = [name for name in inside if not name.endswith(".cases.json")]
            if not inside:
                raise UsageError(f"{path} has no workflow in it: no file whose name ends in .json.")
            found += [os.path.join(path, name) for name in inside]
        else:
            found.append(path)
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
    changed = [] if force else [path for path, source in targets if _is_changed(path, source)]
    if changed:
        raise UsageError(
            f"{', '.join(changed)}: changed since it was made, or not made by migrate. Nothing was written. "
            "Name another directory with --out, or overwrite it with --force."
        )
    try:
        os.makedirs(directory, exist_ok=True)
        for path, source in targets:
            _write(path, source)
    except OSError as error:
        raise UsageError(f"{error.filename or directory} cannot be written: {error.strerror}.") from error


def _is_changed(path: str, source: str) -> bool:
    from hero_logic.migrate import is_untouched

    try:
        with open(path, encoding="utf-8", newline="") as file:
            there = file.read()
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return there != source and not is_untouched(there)


def _write(path: str, source: str) -> None:
    # Beside it first: a file is as it was, or as it is to be, and nothing in between.
    beside = f"{path}.{os.getpid()}.new"
    with open(beside, "w", encoding="utf-8", newline="") as file:
        file.write(source)
    os.replace(beside, path)


# --- The report ----------------------------------------------------------------------------------------


def _put_report(flow: _Flow, report: Report, target: str, *, is_check: bool) -> None:
    verb = "would become" if is_check else "->"
    put(f"{escape_controls(flow.path)} {verb} {escape_controls(target)}: {counts_text(report)}\n")
    put_entries(report, path=flow.path, target=os.path.basename(target))


def counts_text(report: Report) -> str:
    """How much of a workflow came out in which way."""
    return (
        f"{report.count('translated')} translated, {report.count('remark')} with a remark, "
        f"{report.count('person')} for a person to do"
    )


def put_entries(report: Report, *, path: str, target: str) -> None:
    """Print what a report has to say beyond that all went well; path and target name the two files."""
    for entry in report.entries:
        if entry.outcome == "translated":
            continue
        mark = "needs a person" if entry.outcome == "person" else "remark"
        there = f", {target}:{entry.target_line}" if entry.target_line else ""
        place = f"{path}:{entry.line}:{entry.column}{there}"
        put(f"  {mark} [{entry.code}] {escape_controls(f'{entry.part}: {entry.says} ({place})')}\n")


def _document(
    directory: str, done: list[tuple[_Flow, Migration]], invalid: list[tuple[str, InvalidWorkflow]]
) -> bytes:
    import json

    migrated = [
        {"file": flow.path, "target": _target(directory, flow), **migration.report.as_document()}
        for flow, migration in done
    ]
    refused = [{"file": path, "faults": fault_documents(error)} for path, error in invalid]
    return json.dumps({"migrated": migrated, "refused": refused}, indent=2).encode()


def fault_documents(invalid: InvalidWorkflow) -> list[dict[str, object]]:
    """All faults of a workflow, as JSON has them."""
    return [
        {"says": fault.says, "pointer": fault.pointer, "line": fault.line, "column": fault.column}
        for fault in invalid.faults
    ]
