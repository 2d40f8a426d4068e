"""What is counted is what the official library reads back."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from hero_logic.server.measures import Measures


def sample(measures: Measures, name: str, **labels: str) -> float:
    """One number of the page."""
    for family in text_string_to_metric_families(measures.page().decode()):
        for one in family.samples:
            if one.name == name and all(one.labels.get(key) == value for key, value in labels.items()):
                return float(one.value)
    raise AssertionError(name)


def test_calls_are_counted_by_method_and_error() -> None:
    """And how long they took, in buckets that hold all shorter ones."""
    measures = Measures()
    for took_s in (0.0001, 0.003, 0.003, 100.0):
        measures.call("play_get", took_s, "")
    measures.call("play_get", 0.5, "not_found")
    measures.call("", 0.1, "method_not_found")

    assert sample(measures, "hero_logic_rpc_calls_total", method="play_get", code="") == 4
    assert sample(measures, "hero_logic_rpc_calls_total", method="play_get", code="not_found") == 1
    assert sample(measures, "hero_logic_rpc_calls_total", method="unknown") == 1
    assert sample(measures, "hero_logic_rpc_seconds_bucket", method="play_get", le="0.005") == 3
    assert sample(measures, "hero_logic_rpc_seconds_count", method="play_get") == 5
    assert abs(sample(measures, "hero_logic_rpc_seconds_sum", method="play_get") - 100.5061) < 1e-6


def test_answers_are_counted_by_route_and_status() -> None:
    """And gauges are read when the page is made."""
    measures = Measures()
    now = [1.0]
    measures.gauge("hero_logic_test", "A number.", lambda: now[0])
    measures.answered("/rpc", 200)
    measures.answered("/rpc", 200)
    now[0] = 7.0

    assert sample(measures, "hero_logic_http_answers_total", route="/rpc", status="200") == 2
    assert sample(measures, "hero_logic_test") == 7
    assert sample(measures, "process_open_fds") > 0
