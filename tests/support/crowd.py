"""A crowd at a server: who asks for plays, who watches them, well and badly; and what the server takes."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from hero_logic.client import AsyncServiceClient, connect_async
from hero_logic.core.errors import NotFound
from support.processes import parent_of
from support.serving import Server

TERMINAL = {"ok", "failed", "timed_out", "cancelled"}
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which a close is a reset: the peer hears of it at once, and nothing more is acknowledged."""

BUSY = """
import time
@flow
def main(steps: int, step_s: float, fails: bool = False):
    for number in range(steps):
        with flow.step(f"step {number}", n=number) as span:
            span.log("a line of a log " * 20)
            time.sleep(step_s)
    if fails:
        raise ValueError("it was asked for")
    return steps
"""


class Crowd:
    """People at a server that has the flow ``busy``, for as long as it is wanted.

    Args:
        server: with the flow above.
        dice: what they do.
        askers: how many ask for a play, one after the other.
        watchers: how many watch plays: to the end, for a while, slowly, or until they vanish.
        play_s: how long a play lasts on average.
    """

    def __init__(
        self, server: Server, dice: random.Random, *, askers: int, watchers: int, play_s: float
    ) -> None:
        self._server = server
        self._dice = dice
        self._askers = askers
        self._watchers = watchers
        self._play_s = play_s
        self._running: list[str] = []
        self.did: Counter[str] = Counter()
        """What was done how often, and how plays ended."""
        self.most_at_once = 0

    def stay(self, for_s: float, *, most_plays: int) -> None:
        """Be there for so long, or until so many plays were asked for; every play has ended afterwards."""
        self._until_s = time.monotonic() + for_s
        self._plays_left = most_plays
        asyncio.run(self._stay())

    async def _stay(self) -> None:
        async with connect_async(self._server.url, token=self._server.token) as client:
            work: list[Coroutine[Any, Any, None]] = [self._ask(client) for _ in range(self._askers)]
            work += [self._watch() for _ in range(self._watchers)]
            work += [self._look(client)]
            async with asyncio.TaskGroup() as tasks:
                for one in work:
                    tasks.create_task(one)

    def _goes_on(self) -> bool:
        return time.monotonic() < self._until_s and self._plays_left > 0

    # --- who asks ------------------------------------------------------------------------------------

    async def _ask(self, client: AsyncServiceClient) -> None:
        dice = self._dice
        while self._goes_on():
            self._plays_left -= 1
            steps = dice.randrange(1, 20)
            wanted = {
                "steps": steps,
                "step_s": dice.uniform(0, 2 * self._play_s / 10),
                "fails": dice.random() < 0.1,
            }
            sid = await client.play_run_async("busy", input_data=wanted)
            self.did["asked"] += 1
            await self._follow(client, sid)
            if dice.random() < 0.1:
                self.did["retried"] += 1
                await self._follow(client, await client.play_retry(sid))
            if dice.random() < 0.3:
                self.did["deleted"] += 1
                await client.play_delete(sid)

    async def _follow(self, client: AsyncServiceClient, sid: str) -> None:
        """Wait for a play to its end, which some have somebody who wants it sooner."""
        self._running.append(sid)
        if self._dice.random() < 0.15:
            await client.play_wait(sid, timeout_ms=self._dice.uniform(1, 1000 * self._play_s))
            await client.play_cancel(sid)
            self.did["cancelled"] += 1
        ended = await client.play_wait(sid, timeout_ms=120_000)
        assert ended.status in TERMINAL, ended
        self._running.remove(sid)
        self.did[ended.status] += 1

    async def _look(self, client: AsyncServiceClient) -> None:
        """Somebody who looks at lists and plays, and counts how many run."""
        while self._goes_on():
            page = await client.play_list(limit=200, statuses=["running"])
            self.most_at_once = max(self.most_at_once, len(page.plays))
            await client.play_list(text="nothing has this text", limit=5)
            try:
                if page.plays:
                    await client.play_get(page.plays[-1].sid)
            except NotFound:
                pass
            await asyncio.sleep(0.2)

    # --- who watches ---------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Watch one play, or all, again and again, each time in another way."""
        ways: list[Callable[[str], Coroutine[Any, Any, None]]] = [
            self._watch_well,
            self._watch_a_while,
            self._watch_slowly,
            self._vanish,
            self._take_columns,
        ]
        while self._goes_on():
            sid = self._dice.choice(self._running) if self._running else "last"
            way = self._dice.choice(ways)
            self.did[way.__name__.strip("_")] += 1
            await way(sid)
            await asyncio.sleep(self._dice.uniform(0, 0.2))

    async def _watch_well(self, sid: str) -> None:
        reader, writer = await self._request(f"/plays/{sid}/events")
        told = b""
        while piece := await reader.read(65536):
            told = told[-100:] + piece
            if b"event: end" in told:
                break
        await _close(writer)

    async def _watch_a_while(self, sid: str) -> None:
        """All plays, and then no more."""
        reader, writer = await self._request("/events")
        until_s = min(self._until_s, time.monotonic() + self._dice.uniform(0, 3))
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(reader.read(65536), left_s)
            except TimeoutError:
                break
        await _close(writer)

    async def _watch_slowly(self, sid: str) -> None:
        """A few bytes at a time, of all that was ever told; then gone with most of it unread."""
        reader, writer = await self._request("/events?after=0", buffer_bytes=2048)
        for _ in range(self._dice.randrange(1, 30)):
            await reader.read(500)
            await asyncio.sleep(0.1)
            if not self._goes_on():
                break
        await _close(writer)

    async def _vanish(self, sid: str) -> None:
        """Without a word, in the middle of whatever comes; some before they have asked."""
        reader, writer = await self._request(f"/plays/{sid}/events", half=self._dice.random() < 0.3)
        try:
            await asyncio.wait_for(reader.read(200), self._dice.uniform(0.01, 0.5))
        except TimeoutError:
            pass
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
        await _close(writer)

    async def _take_columns(self, sid: str) -> None:
        """A first view, and nothing after it."""
        reader, writer = await self._request(f"/plays/{sid}/{self._dice.choice(['columns', 'snapshot'])}")
        await reader.read(65536)
        await _close(writer)

    async def _request(
        self, place: str, *, half: bool = False, buffer_bytes: int = 65536
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        peer.setblocking(False)
        await asyncio.get_running_loop().sock_connect(peer, ("127.0.0.1", self._server.port))
        reader, writer = await asyncio.open_connection(sock=peer, limit=buffer_bytes)
        head = (
            f"GET {place} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._server.token}\r\n"
            "Connection: close\r\n\r\n"
        )
        writer.write(head.encode()[: 30 if half else None])
        await writer.drain()
        return reader, writer


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass  # it was reset, as was meant


class Taken:
    """What a server and its workers take: memory, descriptors and threads, by process."""

    def __init__(self, server: Server) -> None:
        self.rss_bytes: dict[int, int] = {}
        self.descriptors: dict[int, int] = {}
        self.threads: dict[int, int] = {}
        for pid in family_of(server.process.pid):
            facts = Path(f"/proc/{pid}/status").read_text()
            self.rss_bytes[pid] = _number(facts, "VmRSS") * 1024
            self.threads[pid] = _number(facts, "Threads")
            self.descriptors[pid] = len(os.listdir(f"/proc/{pid}/fd"))

    def __repr__(self) -> str:
        rows = [
            f"{pid}: {self.rss_bytes[pid] / 2**20:.1f} MiB, {self.descriptors[pid]} descriptors, "
            f"{self.threads[pid]} threads"
            for pid in sorted(self.rss_bytes)
        ]
        return "; ".join(rows)


def family_of(pid: int) -> list[int]:
    """A process and all that it has started that lives, down to the last."""
    found = [pid]
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = parent_of(int(name))
            except OSError:
                continue
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _number(facts: str, name: str) -> int:
    [line] = [line for line in facts.splitlines() if line.startswith(name + ":")]
    return int(line.split()[1])
