"""One stream of events, from a revision on: first from the store, then from the channel that all share.

No gap and no repeat, however the two meet: a stream knows up to which revision it has told everything. What
the channel tells of a stretch that it has told in part is read from the store instead.

Source: docs/rpc.md, "Events".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hero_logic.core.errors import NotFound
from hero_logic.server.news import COMMENT, Page, deleted_page, read_page, reset_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hero_logic.server.desks import Lobby
    from hero_logic.server.hub import Reader

SILENCE_S = 15.0
"""After so long without an event a comment is sent: what stands between keeps the connection, and who is gone
is noticed."""


async def stream(lobby: Lobby, sid: str | None, *, after: int) -> AsyncIterator[bytes]:
    """Events of a play, or of all, after a revision, until the play is over or the server stops.

    Raises:
        StoreError: what lies before now cannot be read.
    """
    channel = lobby.hub.channel(sid)
    with channel.read() as reader:
        told = after
        if after > lobby.at_loop.store.revision():
            told = channel.revision
            yield reset_event(told, "that revision is not of this store, or not yet")
        elif sid is None and after < lobby.at_loop.store.deletions_since():
            told = channel.revision
            yield reset_event(told, "it is too long ago: what was deleted since is not known any more")
        else:
            # An event source knows that it is connected by the head of the answer, which comes with the
            # first bytes.
            yield COMMENT
        while told < channel.revision and not channel.is_closed:
            page = await _read(lobby, sid, told, channel.revision)
            told = page.revision
            if page.text or page.ended:
                yield page.text + page.ended
            if page.ended:
                return
        reader.catch_up()
        async for text in _follow(lobby, sid, reader, told):
            yield text


async def _follow(lobby: Lobby, sid: str | None, reader: Reader, told: int) -> AsyncIterator[bytes]:
    """What the channel tells from here on."""
    while True:
        if reader.is_overtaken:
            reader.catch_up()
            told = max(told, reader.revision)
            yield reset_event(told, "slow: what came meanwhile is not told")
        page = reader.take()
        if page is None:
            if reader.is_over:
                return
            if not await reader.news(SILENCE_S):
                yield COMMENT
            continue
        if page.since >= told:
            yield page.text + page.ended
        else:
            async for text in _rest(lobby, sid, told, page):
                yield text
        told = max(told, page.revision)
        if page.ended:
            return


async def _rest(lobby: Lobby, sid: str | None, told: int, page: Page) -> AsyncIterator[bytes]:
    """A page of which a part is told already: the rest of it."""
    while told < page.revision:
        rest = await _read(lobby, sid, told, page.revision)
        told = rest.revision
        if rest.text:
            yield rest.text
    if page.ended:
        yield page.ended


async def _read(lobby: Lobby, sid: str | None, since: int, until: int) -> Page:
    try:
        return await lobby.streaming(lambda desk: read_page(desk.store, sid, since=since, until=until))
    except NotFound:
        if sid is None:
            raise
        return deleted_page(sid, since, until)
