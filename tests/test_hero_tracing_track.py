"""Loops as steps: flow.track."""

from __future__ import annotations

from support.sdk_plays import run_play

FAKE_CLOCK = """
now = [0.0]
hero_tracing._clock = lambda: now[0]
"""


def test_a_tracked_loop_is_a_step_with_its_progress() -> None:
    """The loop is a step with hero.total from len() and the final hero.progress."""
    play = run_play("""
        for n in flow.track([5, 6, 7], 'score'): pass
    """)

    span = play.span("score")
    assert (span.kind, span.status) == ("step", "ok")
    assert play.events[0]["tags"] == {"hero.progress": 0, "hero.total": 3}
    assert span.tags == {"hero.progress": 3, "hero.total": 3}


def test_the_total_is_what_was_said_or_what_can_be_known() -> None:
    """A total that is given wins; an iterable without a length has none."""
    play = run_play("""
        list(flow.track([1], 'given', total=10))
        list(flow.track((n for n in range(2)), 'unknown'))
        class Odd:
            def __len__(self): raise RuntimeError('no')
            def __iter__(self): return iter([1])
        list(flow.track(Odd(), 'odd'))
        list(flow.track({}, 'empty'))
    """)

    assert play.span("given").tags == {"hero.progress": 1, "hero.total": 10}
    assert play.span("unknown").tags == {"hero.progress": 2}
    assert play.span("odd").tags == {"hero.progress": 1}
    assert play.span("empty").tags == {"hero.progress": 0, "hero.total": 0}


def test_progress_is_told_ten_times_a_second_at_most() -> None:
    """However fast the loop runs, its progress is a tag at most every 0.1 s, and once at the end."""
    play = run_play(
        FAKE_CLOCK
        + """
for n in flow.track(range(1001), 'loop'):
    now[0] += 0.001
"""
    )

    told = [event["tags"]["hero.progress"] for event in play.events if event["type"] == "span_tag"]
    assert len(told) <= 11
    assert told == sorted(set(told))
    assert told[-1] == 1001


def test_a_slow_loop_tells_every_item() -> None:
    """An item that takes longer than 0.1 s is told when it is done."""
    play = run_play(
        FAKE_CLOCK
        + """
for n in flow.track(range(3), 'loop'):
    now[0] += 1
"""
    )

    assert [event["tags"]["hero.progress"] for event in play.events if event["type"] == "span_tag"] == [
        1,
        2,
        3,
    ]


def test_the_body_of_the_loop_runs_inside_its_step() -> None:
    """Steps and logs of the body belong to the loop; after the loop the outer span is current again."""
    play = run_play("""
        with flow.step('root'):
            for n in flow.track(range(2), 'loop'):
                print(n)
                with flow.step(f'in{n}'): pass
            with flow.step('after'): pass
    """)

    assert play.span("loop").logs == ["0", "1"]
    assert [play.parent_name(name) for name in ("in0", "in1", "after")] == ["loop", "loop", "root"]


def test_a_break_ends_the_loop_ok() -> None:
    """After a break the span is ended, with what was done, and the outer span is current."""
    play = run_play("""
        with flow.step('root'):
            for n in flow.track(range(10), 'loop'):
                if n == 4: break
            with flow.step('after'): pass
    """)

    assert (play.span("loop").status, play.span("loop").tags["hero.progress"]) == ("ok", 4)
    assert play.parent_name("after") == "root"


def test_an_exception_of_the_body_ends_the_loop_and_fails_the_spans_around_it() -> None:
    """Python does not tell an iterator why it is left: the loop ends, the spans around it say why."""
    play = run_play("""
        try:
            with flow.step('root'):
                for n in flow.track(range(10), 'loop'):
                    with flow.step('body'): raise ValueError('x')
        except ValueError: pass
        with flow.step('after'): pass
    """)

    assert [play.span(name).status for name in ("root", "loop", "body")] == ["failed", "ok", "failed"]
    assert play.span("loop").tags["hero.progress"] == 0
    assert play.parent_name("after") == ""


def test_an_exception_of_the_iterable_fails_the_loop() -> None:
    """What the iterable raises fails the loop's own span, and goes on."""
    play = run_play("""
        def rows():
            yield 1
            raise ValueError('no more')
        try:
            for n in flow.track(rows(), 'loop'): pass
        except ValueError: print('caught')
    """)

    assert play.stdout == "caught\n"
    assert (play.span("loop").status, play.span("loop").tags["hero.progress"]) == ("failed", 1)


def test_a_loop_closed_elsewhere_raises_nothing() -> None:
    """A tracked iterator that is dropped in another thread ends its span there, and harms nobody."""
    play = run_play("""
        import threading
        with flow.step('root'):
            it = iter(flow.track(range(5), 'loop'))
            next(it)
        def drop():
            with flow.step('thread'):
                it.close()
                with flow.step('in thread'): pass
        t = threading.Thread(target=drop); t.start(); t.join()
    """)

    assert (play.returncode, play.stderr) == (0, "")
    assert play.span("loop").ends == 1
    assert play.parent_name("in thread") == "thread"


def test_async_loops_are_tracked_too() -> None:
    """async for works the same: body inside, progress, break, exceptions."""
    play = run_play("""
        import asyncio
        async def rows():
            for n in range(5):
                await asyncio.sleep(0)
                yield n
        async def broken():
            yield 1
            raise ValueError('x')
        async def main():
            with flow.step('root'):
                async for n in flow.track(rows(), 'all', total=5):
                    with flow.step(f'in{n}'): pass
                async for n in flow.track(rows(), 'left'):
                    if n == 2: break
                with flow.step('after'): pass
                try:
                    async for n in flow.track(broken(), 'broken'): pass
                except ValueError: print('caught')
                with flow.step('last'): pass
        asyncio.run(main())
    """)

    assert play.stdout == "caught\n", play.stderr
    assert play.span("all").tags == {"hero.progress": 5, "hero.total": 5}
    assert (play.span("left").status, play.span("left").tags) == ("ok", {"hero.progress": 2})
    assert play.span("broken").status == "failed"
    parents = {name: play.parent_name(name) for name in ("in4", "after", "last", "all")}
    assert parents == {"in4": "all", "after": "root", "last": "root", "all": "root"}
