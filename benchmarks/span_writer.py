"""Writes the spans that peers.py asks for: through our SDK, or through OpenTelemetry's to a server.

    python benchmarks/span_writer.py ours                          HERO_FLOW_SPAN_SOCK names a socket
    python benchmarks/span_writer.py otlp URL [HEADER=VALUE ...]   in the environment of OpenTelemetry

It reads orders, one JSON object a line, and answers each with one; times are seconds of the monotonic clock.

- ``{"do": "trees", "spans": N, "tree": T, "batch": B}``: N spans in trees of a root and T - 1 children, and a
  flush. B is the most that one request carries, and means nothing to us. Answers ``began_s``, ``ended_s``.
- ``{"do": "one", "name": NAME}``: one span, sent at once. Answers ``began_s`` and ``trace_id`` ("" of ours).
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

TEXT = "read a page of forty-two rows from disk"
TABLE = "customers"

Begin = Callable[[str, int], Any]
"""Begins a span with that name and number of rows: a context manager that gives the span."""


def write_trees(spans: int, tree: int, begin: Begin, log: Callable[[Any, str], None]) -> None:
    """So many spans in trees; a tree that does not fit in whole is left out."""
    for root in range(spans // tree):
        with begin("load", root) as outer:
            log(outer, TEXT)
            for row in range(tree - 1):
                with begin("page", row) as inner:
                    log(inner, TEXT)


class Ours:
    """Writes through our SDK, which sends each event at once."""

    def __init__(self) -> None:
        from hero_tracing import flow

        self.step = flow.step

    def trees(self, spans: int, tree: int, batch: int) -> dict[str, object]:
        """The trees."""
        step = self.step
        began_s = time.monotonic()
        write_trees(
            spans,
            tree,
            lambda name, rows: step(name, table=TABLE, rows=rows),
            lambda span, text: span.log(text),
        )
        return {"began_s": began_s, "ended_s": time.monotonic()}

    def one(self, name: str) -> dict[str, object]:
        """One span."""
        began_s = time.monotonic()
        with self.step(name, table=TABLE, rows=1) as span:
            span.log(TEXT)
        return {"began_s": began_s, "trace_id": ""}


class Otlp:
    """Writes through OpenTelemetry's SDK."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[import-not-found]
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.trace import TracerProvider  # type: ignore[import-not-found]
        from opentelemetry.sdk.trace.export import (  # type: ignore[import-not-found]
            BatchSpanProcessor,
            SimpleSpanProcessor,
        )

        self.exporter = OTLPSpanExporter(url, headers=headers, timeout=600)
        self.provider = TracerProvider
        self.batches = BatchSpanProcessor
        self.singly = TracerProvider(shutdown_on_exit=False)
        self.singly.add_span_processor(SimpleSpanProcessor(self.exporter))

    def trees(self, spans: int, tree: int, batch: int) -> dict[str, object]:
        """The trees, in batches; the queue holds all of them, so that nothing is dropped."""
        provider = self.provider(shutdown_on_exit=False)
        provider.add_span_processor(
            self.batches(self.exporter, max_queue_size=spans + batch, max_export_batch_size=batch)
        )
        begin = provider.get_tracer("benchmark").start_as_current_span
        began_s = time.monotonic()
        write_trees(
            spans,
            tree,
            lambda name, rows: begin(name, attributes={"table": TABLE, "rows": rows}),
            lambda span, text: span.add_event(text),
        )
        if not provider.force_flush(600_000):
            raise RuntimeError("force_flush did not end within 600 s")
        return {"began_s": began_s, "ended_s": time.monotonic()}

    def one(self, name: str) -> dict[str, object]:
        """One span, exported before its block ends: no batch is waited for."""
        tracer = self.singly.get_tracer("benchmark")
        began_s = time.monotonic()
        with tracer.start_as_current_span(name, attributes={"table": TABLE, "rows": 1}) as span:
            span.add_event(TEXT)
        return {"began_s": began_s, "trace_id": f"{span.get_span_context().trace_id:032x}"}


def main(arguments: list[str]) -> None:
    """Do what is ordered until standard input ends."""
    headers = dict(word.split("=", 1) for word in arguments[2:])
    writer = Ours() if arguments[0] == "ours" else Otlp(arguments[1], headers)
    for line in sys.stdin:
        order = json.loads(line)
        verb = order.pop("do")
        print(json.dumps(writer.trees(**order) if verb == "trees" else writer.one(**order)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
