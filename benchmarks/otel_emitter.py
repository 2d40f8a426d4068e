"""Emits the same spans through our SDK and through OpenTelemetry's, in one process, in turns.

    python benchmarks/otel_emitter.py recorded RUNS SPANS URL     HERO_FLOW_SPAN_SOCK names a socket
    python benchmarks/otel_emitter.py idle RUNS SPANS             no runtime, and no OpenTelemetry SDK set up

Runs in the environment of OpenTelemetry with our SDK on its path. It prints, as JSON, microseconds a span:
``{"wall": {case: [one a run]}, "processor": {case: [...]}}``. A span has one log and two tags, which both
sides take where the span is made: the cheapest way of either, but for OpenTelemetry's API alone, where a call
for each costs less.

Processor time is that of the whole process, so the exporter's thread is in it. Both times of OpenTelemetry's
SDK run until ``force_flush`` has returned; ours needs no flush, an event is in the kernel when its call ends.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry import trace  # type: ignore[import-not-found]  # not of our environment

from hero_tracing import flow

TEXT = "read a page of forty-two rows from disk"


def ours(spans: int) -> None:
    """So many spans of ours."""
    for number in range(spans):
        with flow.step("load", table="customers", rows=number) as span:
            span.log(TEXT)


def theirs(tracer: Any, spans: int) -> None:
    """So many of theirs."""
    for number in range(spans):
        attributes = {"table": "customers", "rows": number}
        with tracer.start_as_current_span("load", attributes=attributes) as span:
            span.add_event(TEXT)


def theirs_attribute_by_attribute(tracer: Any, spans: int) -> None:
    """The same with a call for each attribute."""
    for number in range(spans):
        with tracer.start_as_current_span("load") as span:
            span.set_attribute("table", "customers")
            span.set_attribute("rows", number)
            span.add_event(TEXT)


def recorded(spans: int, url: str) -> dict[str, Callable[[], None]]:
    """The cases with something that takes the spans."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[import-not-found]
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import TracerProvider  # type: ignore[import-not-found]
    from opentelemetry.sdk.trace.export import (  # type: ignore[import-not-found]
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    class Nothing(SpanExporter):  # type: ignore[misc]  # its base is not of our environment
        """Takes spans and does nothing with them."""

        def export(self, spans: Sequence[Any]) -> Any:
            return SpanExportResult.SUCCESS

    def case(exporter: Any) -> Callable[[], None]:
        provider = TracerProvider(shutdown_on_exit=False)
        # A queue that holds a whole run: nothing is dropped. All else is the default: batches of 512.
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=2 * spans))
        tracer = provider.get_tracer("benchmark")

        def run() -> None:
            theirs(tracer, spans)
            if not provider.force_flush(60_000):
                raise RuntimeError("force_flush did not end within 60 s")

        return run

    return {"ours": lambda: ours(spans), "otlp": case(OTLPSpanExporter(url)), "nothing": case(Nothing())}


def idle(spans: int) -> dict[str, Callable[[], None]]:
    """The cases in which nobody listens."""
    tracer = trace.get_tracer("benchmark")
    return {
        "ours": lambda: ours(spans),
        "at once": lambda: theirs(tracer, spans),
        "one by one": lambda: theirs_attribute_by_attribute(tracer, spans),
    }


def measure(cases: dict[str, Callable[[], None]], runs: int, spans: int) -> dict[str, dict[str, list[float]]]:
    """Each case once a run, in turns; the first run warms up and does not count."""
    results: dict[str, dict[str, list[float]]] = {
        kind: {name: [] for name in cases} for kind in ("wall", "processor")
    }
    for run in range(runs + 1):
        for name, case in cases.items():
            wall_s, processor_s = time.perf_counter(), time.process_time()
            case()
            wall_s, processor_s = time.perf_counter() - wall_s, time.process_time() - processor_s
            if run:
                results["wall"][name].append(wall_s / spans * 1e6)
                results["processor"][name].append(processor_s / spans * 1e6)
    return results


def main(arguments: list[str]) -> None:
    """Measure what the arguments say."""
    mode, runs, spans = arguments[0], int(arguments[1]), int(arguments[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cases = recorded(spans, arguments[3]) if mode == "recorded" else idle(spans)
    print(json.dumps(measure(cases, runs, spans)))


if __name__ == "__main__":
    main(sys.argv[1:])
