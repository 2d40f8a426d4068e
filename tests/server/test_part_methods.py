"""Parts of plays, of the store, and of a flow's plays, over JSON-RPC."""

from __future__ import annotations

import json
from pathlib import Path

from support.command import hero_logic
from support.serving import Server, begin_play, end_play, serving, session_over, span_end, span_start
from support.working import QUICK


def test_an_outline_has_the_tree_and_where_to_go_on(server: Server) -> None:
    """Of a small play all spans, as the stream has them, but for their logs."""
    document = server.call("play_get", play_sid="last")
    outline = server.call("play_outline", play_sid="last")

    assert [{**span, "logs": ""} for span in document["spans"]] == [
        {key: value for key, value in span.items() if key not in ("ordinal", "revision", "log_bytes")}
        for span in outline["spans"]
    ]
    assert [span["ordinal"] for span in outline["spans"]] == [0, 1, 2]
    assert (outline["counts"], outline["left_out"]) == ({"ok": 2, "failed": 1}, {})
    sid = document["sid"]
    assert server.http().get(f"/plays/{sid}/events?after={outline['revision']}").status_code == 204


def test_an_outline_of_a_large_play_says_what_it_leaves_out(tmp_path: Path) -> None:
    """However large the play, and each child that is not there is counted."""
    stream = b"".join(span_start(f"s{n}") + b"\n" + span_end(f"s{n}") + b"\n" for n in range(6000))
    with serving(tmp_path / "home") as server:
        hero_logic("ingest", "-", stdin=stream, **server.variables)
        outline = server.call("play_outline", play_sid="last")

    [(parent, left_out)] = outline["left_out"].items()
    assert outline["counts"] == {"ok": 6000}
    assert (parent, left_out["count"] + len(outline["spans"])) == ("", 6000)
    assert len(outline["spans"]) < 2000


def test_what_failed_comes_in_pages(server: Server) -> None:
    """With how many there are, and the spans around them."""
    server.publish(
        "parts",
        """
@flow
def main():
    for number in range(3):
        try:
            with flow.step(f"try {number}") as span:
                span.log("it will fail")
                raise ValueError(number)
        except ValueError:
            pass
""",
    )
    sid = server.call("play_run_async", flow_sid="parts")
    server.call("play_wait", play_sid=sid)
    first = server.call("play_failed", play_sid=sid, limit=2)
    second = server.call("play_failed", play_sid=sid, limit=2, start=first["next"])

    assert [span["name"] for span in first["spans"]] == ["try 0", "try 1"]
    assert [span["name"] for span in first["around"]] == ["main", "try 0", "try 1", "try 2"]
    assert "it will fail" in first["spans"][0]["logs"]
    assert [span["name"] for span in second["spans"]] == ["try 2"]
    assert (first["count"], second["count"], second["next"]) == (3, 3, None)


def test_stats_are_by_name(server: Server) -> None:
    """The highest total first, and whether there are more names."""
    stats = server.call("play_stats", play_sid="last", limit=100)
    less = server.call("play_stats", play_sid="last", limit=1)

    assert stats["names"][0]["name"] == less["names"][0]["name"]
    assert stats["is_all"] is True
    assert (len(less["names"]), less["is_all"]) == (1, False)


def test_how_much_is_on_record(server: Server) -> None:
    """As ``hero-logic ls`` says it."""
    size = server.call("store_size")

    assert size["plays"] == len(server.call("play_list", limit=1000)["plays"])
    assert size["database_bytes"] > 0


def test_how_much_is_on_record_has_what_runs_and_what_waits(server: Server) -> None:
    """Whoever runs it, and whoever asks."""
    with session_over(server.home) as session:
        begin_play(session, "runs")
        size = server.call("store_size")
        listed = hero_logic("ls", "--json", "--server", f"unix:{server.socket_path}")
        end_play(session, "runs")

    assert (size["plays_running"], size["plays_waiting"]) == (1, 0)
    assert json.loads(listed.stdout)["store"]["plays_running"] == 1


def test_the_plays_of_a_flow_are_counted(server: Server) -> None:
    """By its name or its sid."""
    sid = server.publish("counted", QUICK)
    for _ in range(2):
        server.call("play_wait", play_sid=server.call("play_run_async", flow_sid="counted"))

    assert server.call("flow_usage", flow_sid="counted") == {"flow_sid": sid, "plays": 2}
    assert server.refused("flow_usage", flow_sid="nobody")[0] == "not_found"


def test_of_a_play_that_is_not_there_is_no_part(server: Server) -> None:
    """Each says so."""
    for method in ("play_outline", "play_failed", "play_stats"):
        assert server.refused(method, play_sid="gone")[0] == "not_found"
