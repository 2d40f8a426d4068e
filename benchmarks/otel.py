"""What a span of ours costs beside one of OpenTelemetry's Python SDK: the claims, for emit.py.

Both sides run in one process, in an environment of their own: otel_emitter.py says what they do, otel_sink.py
what takes the spans. Nothing may be lost on either side: what arrived is counted and has to be what was sent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import environments
from measure import Claim, NotMeasured

FIFTH, THIRD, TENTH = 1 / 5, 1 / 3, 1 / 10
PACKAGES = ("opentelemetry-api", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")

Samples = dict[str, dict[str, list[float]]]
"""Microseconds a span, by ``wall`` or ``processor``, and by case."""

_HERE = os.path.dirname(os.path.abspath(__file__))
_LINES_A_SPAN = 3
_SPAN = "a span under the runtime"
_IDLE = "a span with its log, without the runtime"
_EXPORTED = "OpenTelemetry, batches over OTLP/HTTP, flushed"
_DROPPED = "OpenTelemetry, batches to an exporter that does nothing"
_API = "OpenTelemetry's API without its SDK"

# (name of ours, kind of time, case of theirs, name of theirs, goal)
_RECORDED = (
    (_SPAN, "wall", "otlp", _EXPORTED, FIFTH),
    (f"{_SPAN}, processor time", "processor", "otlp", _EXPORTED, FIFTH),
    (_SPAN, "wall", "nothing", _DROPPED, THIRD),
    (f"{_SPAN}, processor time", "processor", "nothing", _DROPPED, THIRD),
)
_STANDING_BY = (
    (_IDLE, "wall", "one by one", _API, TENTH),
    (_IDLE, "wall", "at once", f"{_API}, attributes given at the start", None),
)


def claims(runs: int, spans: int, directory: str) -> tuple[list[Claim | NotMeasured], dict[str, str]]:
    """The claims, and the versions of what they are held against; ``directory`` is for scratch."""
    try:
        python = environments.python_of("otel")
    except environments.NotMade as refusal:
        return not_measured(str(refusal)), {}
    recorded = measure_recorded(python, runs, spans, directory)
    idle = emitter(python, "idle", runs, spans * 10)
    held = [
        Claim(
            name,
            values=samples[kind]["ours"],
            floor=samples[kind][case],
            floor_name=floor,
            unit="us",
            goal=goal,
        )
        for samples, table in ((recorded, _RECORDED), (idle, _STANDING_BY))
        for name, kind, case, floor, goal in table
    ]
    return [*held], environments.versions(python, *PACKAGES)


def not_measured(why: str) -> list[Claim | NotMeasured]:
    """The claims where there is nothing to hold them against."""
    return [
        NotMeasured(name, floor_name=floor, unit="us", goal=goal, why=why)
        for name, _, _, floor, goal in (*_RECORDED, *_STANDING_BY)
        if goal is not None
    ]


def measure_recorded(python: str, runs: int, spans: int, directory: str) -> Samples:
    """Spans that somebody takes."""
    path = os.path.join(directory, "otel.sock")
    sink = subprocess.Popen(
        [python, os.path.join(_HERE, "otel_sink.py"), path],
        env=environments.clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert sink.stdout
        url = f"http://127.0.0.1:{int(sink.stdout.readline())}/v1/traces"
        samples = emitter(python, "recorded", runs, spans, url, HERO_FLOW_SPAN_SOCK=path)
        arrived = json.loads(sink.communicate(timeout=120)[0])
    finally:
        sink.kill()
        sink.wait()
    sent = spans * (runs + 1)
    assert arrived["spans"] == sent, f"{sent} spans were sent over HTTP, {arrived['spans']} came"
    assert arrived["lines"] >= sent * _LINES_A_SPAN, f"{sent} spans were sent, {arrived['lines']} lines came"
    return samples


def emitter(python: str, mode: str, runs: int, spans: int, *more: str, **environment: str) -> Samples:
    """What the emitter measured."""
    done = subprocess.run(
        [python, os.path.join(_HERE, "otel_emitter.py"), mode, str(runs), str(spans), *more],
        env=environments.clean_environment(PYTHONPATH=os.path.join(environments.ROOT, "src"), **environment),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    samples: Samples = json.loads(done.stdout)
    return samples


if __name__ == "__main__":
    sys.exit("this is a part of emit.py; run that")
