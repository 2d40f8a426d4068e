"""``hero-logic flows``: keep flows in the library, and find them."""

from __future__ import annotations

import argparse
import os
import sys
import time

from hero_logic.cli.main import EXIT_OK, EXIT_USAGE, as_text, offer_server, put, put_bytes, put_json, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.cli.tree import Line
    from hero_logic.client.seam import Asked
    from hero_logic.core.library import Flow, FlowDetails, FlowPut

_MAX_SHOWN_VERSIONS = 10
_MAX_LIMIT = 1000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)

    def action(
        name: str, says: str, do: Callable[[argparse.Namespace, Asked], int]
    ) -> argparse.ArgumentParser:
        made = actions.add_parser(
            name, help=says, description=says[0].upper() + says[1:] + ".", allow_abbrev=False
        )
        made.set_defaults(do=do)
        offer_server(made)
        return made

    _configure_add(action("add", "publish a file as a flow, or as a version of one", _add))
    for name, says, do in (
        ("ls", "list the flows, the one that was published first last", _list),
        ("search", "find flows by words of name, description, tags and source", _search),
    ):
        made = action(name, says, do)
        if name == "search":
            made.add_argument(
                "words", nargs="*", metavar="WORD", help="what to look for; none: the newest flows"
            )
        made.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
        made.add_argument(
            "--limit", type=int, default=20, metavar="N", help="how many flows at the most (default 20)"
        )
        if name == "ls":
            made.add_argument("--before", metavar="CURSOR", help="go on where the page before ended")
            made.add_argument("--archived", action="store_true", help="list those that are archived instead")
    show = action("show", "show a flow: what it takes, and its versions", _show)
    show.add_argument(
        "flow", metavar="NAME", help="its name or its sid; with @ and the beginning of a version for that"
    )
    shape = show.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    show.add_argument("--versions", action="store_true", help="list all of its versions, and nothing else")
    shape.add_argument("--source", action="store_true", help="print the source, and nothing else")
    _configure_remove(action("rm", "delete a flow, or archive it", _remove))


def _configure_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the file with the flow; - is standard input")
    parser.add_argument(
        "--name", help="what to call it (default: what @flow says, the function, or for main the file)"
    )
    parser.add_argument("--description", metavar="TEXT", help="default: what the source says")
    parser.add_argument(
        "--tag", dest="tags", action="append", metavar="TAG", help="may be repeated; replaces those of before"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")


def _configure_remove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("flow", metavar="NAME", help="its name or its sid")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--archive", action="store_true", help="keep all of it, and have it neither listed nor found nor run"
    )
    what.add_argument("--unarchive", action="store_true", help="bring back one that is archived")


def execute(arguments: argparse.Namespace, client: Asked) -> int:
    """Do what the action says."""
    status: int = arguments.do(arguments, client)
    return status


# --- actions ------------------------------------------------------------------------------------------


def _add(arguments: argparse.Namespace, client: Asked) -> int:
    published = client.read_to_publish(
        arguments.file, None if arguments.name is None else as_text(arguments.name)
    )
    description = None if arguments.description is None else as_text(arguments.description)
    tags = None if arguments.tags is None else [as_text(tag) for tag in arguments.tags]
    with client.read() as reading:
        if published.is_legacy:
            put_in = reading.flows.put_legacy(
                name=published.name, dag_json=published.source, description=description, tags=tags
            )
        else:
            put_in = reading.flows.put(
                name=published.name,
                python_source=published.source,
                description=description,
                tags=tags,
                beside=published.beside,
            )
        if arguments.json:
            put_json([reading.flow_document(put_in)])
        else:
            _tell_problems(arguments.file, put_in)
            if put_in.flow_sid is not None:
                _tell_added(reading.flows.find(put_in.flow_sid), put_in)
    return EXIT_OK if put_in.flow_sid is not None else EXIT_USAGE


def _tell_problems(path: str, put_in: FlowPut) -> None:
    for problem in put_in.problems:
        place = f"{path}:{problem.line}:{problem.column}: " if problem.line else f"{path}: "
        say(f"{place}{problem.severity}: {problem.message}")
    if put_in.flow_sid is None:
        say("hero-logic: nothing was published. Correct the errors, and add it again.")


def _tell_added(flow: Flow, put_in: FlowPut) -> None:
    news = "version" if put_in.is_new_version else "the same version, current again:"
    if put_in.is_new_version and flow.versions == 1:
        news = "new, version"
    put(f"{flow.name}  {news} {flow.version_sid[:8]}  ({flow.flow_sid})\n")
    if flow.kind != "python":
        say("It is a workflow of before, and nothing runs it: `hero-logic migrate` makes a flow of it.")


def _list(arguments: argparse.Namespace, client: Asked) -> int:
    with client.read() as reading:
        cursor = None if arguments.before is None else as_text(arguments.before)
        page = reading.flows.list(limit=arguments.limit, cursor=cursor, archived=arguments.archived)
        if arguments.json:
            put_json([reading.flow_document(page)])
            return EXIT_OK
    if not page.flows:
        say("There is no flow here; `hero-logic flows add FLOW.py` publishes one.")
    _put_table(page.flows)
    if page.next is not None:
        say(f"There are more: hero-logic flows ls --before {page.next}{client.said_server}")
    return EXIT_OK


def _search(arguments: argparse.Namespace, client: Asked) -> int:
    query = " ".join(map(as_text, arguments.words))
    with client.read() as reading:
        found = reading.library.search(query, limit=arguments.limit)
        if arguments.json:
            put_json([reading.flow_document(found)])
            return EXIT_OK
    if not found.flows:
        say(
            "Nothing was found."
            if query
            else "There is no flow yet; `hero-logic flows add FLOW.py` publishes one."
        )
    _put_table(found.flows)
    return EXIT_OK


def _show(arguments: argparse.Namespace, client: Asked) -> int:
    name, _, prefix = as_text(arguments.flow).partition("@")
    if arguments.versions:
        return _show_versions(name, client, is_json=arguments.json)
    with client.read() as reading:
        details = reading.flows.get(name, version_sid=prefix)
        if arguments.json:
            put_json([reading.flow_document(details)])
            return EXIT_OK
        if arguments.source:
            _put_source(details)
            return EXIT_OK
        versions = reading.flows.versions(details.flow_sid, limit=_MAX_SHOWN_VERSIONS)
        plays = reading.flows.count_plays(details.flow_sid)
    from hero_logic.cli import flow_lines

    _put_lines(
        flow_lines.flow_lines(details, versions.versions, plays=plays, width=_width(), ascii_only=_is_ascii())
    )
    return EXIT_OK


def _show_versions(name: str, client: Asked, *, is_json: bool) -> int:
    from hero_logic.core.library import VersionPage

    with client.read() as reading:
        page = reading.flows.versions(name, limit=_MAX_LIMIT)
        found = page.versions
        while page.next is not None:
            page = reading.flows.versions(name, limit=_MAX_LIMIT, cursor=page.next)
            found += page.versions
        if is_json:
            put_json([reading.flow_document(VersionPage(page.flow_sid, found))])
            return EXIT_OK
    from hero_logic.cli import flow_lines

    _put_lines(
        flow_lines.versions_table(found, now_ms=time.time() * 1000, width=_width(), ascii_only=_is_ascii())
    )
    return EXIT_OK


def _put_source(details: FlowDetails) -> None:
    """The source: as its file had it for a program, and without what a terminal would act on for a person."""
    if sys.stdout.isatty():
        from hero_logic.core.wire import escape_controls

        put("".join(f"{escape_controls(line.expandtabs())}\n" for line in details.source.splitlines()))
        return
    from hero_logic.core.flow_source import encode_source

    put_bytes([encode_source(details.source, details.name)])


def _remove(arguments: argparse.Namespace, client: Asked) -> int:
    name = as_text(arguments.flow)
    with client.read() as reading:
        if arguments.archive or arguments.unarchive:
            flow = reading.flows.archive(name, is_archived=arguments.archive)
            put(f"{flow.name}  {'archived' if flow.is_archived else 'back'}  ({flow.flow_sid})\n")
            return EXIT_OK
        flow = reading.flows.delete(name)
    put(f"{flow.name}  deleted  ({flow.flow_sid})\n")
    return EXIT_OK


# --- what is printed ----------------------------------------------------------------------------------


def _put_table(flows: list[Flow]) -> None:
    if flows:
        from hero_logic.cli import flow_lines

        _put_lines(flow_lines.table(flows, now_ms=time.time() * 1000, width=_width(), ascii_only=_is_ascii()))


def _put_lines(lines: list[Line]) -> None:
    from hero_logic.cli import report

    put(report.to_text(lines, colour=report.wants_colour(sys.stdout, dict(os.environ))))


def _width() -> int:
    from hero_logic.cli import report

    return report.terminal_width(sys.stdout, dict(os.environ))


def _is_ascii() -> bool:
    from hero_logic.cli import report

    return report.wants_ascii(sys.stdout)
