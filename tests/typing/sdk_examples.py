"""What the types of the SDK promise: read by mypy and by pyright, never run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import assert_type

from hero_tracing import flow, instrument, propagate


@flow
def plain(day: str, *, limit: int = 5) -> list[int]:
    """Keep the signature."""
    return [limit, len(day)]


@flow("a name")
async def asynchronous(n: int) -> str:
    """Keep the coroutine."""
    return str(n)


@flow(name="x", description="y", inputs={"a": "first"}, outputs={"b": "second"})
def described(a: int) -> bytes:
    """Keep the types under every form of the decorator."""
    return bytes(a)


@flow.step("decorated", size=3)
def decorated(a: int) -> float:
    """Keep a step's function as it is."""
    return a / 2


@flow.span("generator")
def generator(n: int) -> Iterator[int]:
    """Keep a generator's type."""
    yield n


class Client:
    """A client of some service."""

    def get(self, path: str) -> dict[str, int]:
        """Get."""
        return {path: 1}

    @flow.step("method")
    def method(self, n: int) -> str:
        """Keep methods as they are."""
        return str(n)


def functions() -> None:
    """Decorators keep parameters and results."""
    assert_type(plain("monday", limit=3), list[int])
    assert_type(described(3), bytes)
    assert_type(decorated(3), float)
    assert_type(generator(3), Iterator[int])
    assert_type(Client().method(3), str)
    assert_type(asyncio.run(asynchronous(3)), str)
    plain(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    decorated("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    callback: Callable[[int], Awaitable[str]] = asynchronous
    asyncio.run(asyncio.wait_for(callback(3), 1))


def spans() -> None:
    """A step binds a span, and the span has what a span has."""
    with flow.step("load", name="x", self=1, anything=object()) as span:
        span.tag(rows=1, self=2)
        span.log("text", level="info")
        span.fail("reason")
        assert_type(span.span_id, str)
        span.unknown  # type: ignore[attr-defined]  # noqa: B018  # pyright: ignore
    flow.current_span.tag(a=1)
    flow.tag(a=1)
    flow.log("x")
    assert_type(flow.here, str)
    flow.here = "x"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def loops(rows: AsyncIterator[bytes]) -> None:
    """A tracked loop gives what its iterable gives."""
    for n in flow.track([1, 2, 3], "score", total=3):
        assert_type(n, int)
    async for row in flow.track(rows):
        assert_type(row, bytes)
    async with flow.step("async") as span:
        span.tag(a=1)


def clients() -> None:
    """A proxy has its client's type, a propagated function its own."""
    client = instrument(Client(), service="billing", redact=["iban"])
    assert_type(client, Client)
    assert_type(client.get("/"), dict[str, int])
    carried = propagate(plain)
    assert_type(carried("monday", limit=3), list[int])
    carried(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def failures() -> None:
    """flow.Failed is an exception with a reason."""
    try:
        raise flow.Failed("no rows")
    except flow.Failed as failed:
        assert_type(failed.reason, object)


def services() -> None:
    """A service has whatever methods it has, which give whatever it gives."""
    ai = flow.service("ai")
    ai.complete(prompt="x", temperature=0)
    flow.service(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    try:
        ai.complete()
    except flow.ServiceFailed as failed:
        assert_type(failed.service, str)
        assert_type(failed.code, int | None)
