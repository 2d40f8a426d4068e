"""Spans of the SDK: what a flow says about itself, and what of it reaches the listener."""

from __future__ import annotations

import pytest

from support.sdk_plays import run_play


def test_a_flow_is_a_root_and_a_flow_inside_it_a_step() -> None:
    """A call of a flow is a flow_root where no span is open, else a step of the span around it."""
    play = run_play("""
        @flow
        def inner(): pass
        @flow("the outer one")
        def outer(): inner()
        outer()
    """)

    assert [(span.name, span.kind) for span in play.spans] == [
        ("the outer one", "flow_root"),
        ("inner", "step"),
    ]
    assert play.parent_name("inner") == "the outer one"


def test_a_flow_names_its_source() -> None:
    """source_file and source_line of a flow are where its function is."""
    play = run_play("exec(compile('@flow\\ndef f(): pass\\nf()', 'flows/f.py', 'exec'))")

    start = play.span("f").start
    assert (start["source_file"], start["source_line"]) == ("flows/f.py", 1)


def test_a_step_names_the_line_that_made_it() -> None:
    """source_file and source_line of a step are where flow.step was called."""
    play = run_play("exec(compile('\\n\\nwith flow.step(\"s\"): pass', 'flows/s.py', 'exec'))")

    start = play.span("s").start
    assert (start["source_file"], start["source_line"]) == ("flows/s.py", 3)


def test_the_tags_of_a_step_ride_on_its_start() -> None:
    """A step with tags is two lines, start and end."""
    play = run_play("with flow.step('s', a=1, b='x', c=1.5, d=None, e=True): pass")

    assert [event["type"] for event in play.events] == ["span_start", "span_end"]
    assert play.events[0]["tags"] == {"a": 1, "b": "x", "c": 1.5, "d": None, "e": True}


@pytest.mark.parametrize("tag", ["name", "self", "kind", "fn", "tags", "error"])
def test_a_tag_may_have_any_name(tag: str) -> None:
    """No name of a tag collides with a parameter of ours."""
    play = run_play(f"""
        with flow.step('s', **{{'{tag}': 1}}) as s:
            s.tag(**{{'{tag}': 2}})
            flow.tag(**{{'{tag}': 3}})
    """)

    assert [event["tags"] for event in play.events if "tags" in event] == [{tag: 1}, {tag: 2}, {tag: 3}]


def test_flow_span_is_of_the_kind_other() -> None:
    """flow.span opens a span that is no step."""
    play = run_play("with flow.span('s', a=1): pass")

    assert (play.span("s").kind, play.span("s").tags) == ("other", {"a": 1})


def test_tag_log_and_current_span_speak_of_the_innermost_span() -> None:
    """flow.tag, flow.log and flow.current_span mean the span that is open here."""
    play = run_play("""
        with flow.step('outer') as outer:
            with flow.step('inner') as inner:
                assert flow.current_span is inner and inner.span_id
                flow.tag(a=1); flow.log('one'); flow.log('two', level='warning'); flow.log(3)
            assert flow.current_span is outer
        assert flow.current_span.span_id == ''
        flow.current_span.tag(a=1); flow.tag(b=1); flow.log('nobody hears')
    """)

    assert play.returncode == 0, play.stderr
    assert play.span("inner").tags == {"a": 1}
    assert play.span("inner").logs == ["one", "two", "3"]
    assert play.span("inner").levels == [None, "warning", None]
    assert len(play.spans) == 2


def test_times_are_milliseconds_and_never_run_backwards() -> None:
    """Times are milliseconds of the epoch with a fraction, and no span ends before it started."""
    play = run_play("""
        import time
        before = time.time()
        for _ in range(300):
            with flow.step('s') as s: s.log('x')
        print(before, time.time())
    """)

    before, after = map(float, play.stdout.split())
    times = [event.get("start_ms") or event.get("ts_ms") or event["end_ms"] for event in play.events]
    assert before * 1e3 - 50 <= times[0] <= times[-1] <= after * 1e3 + 50
    assert times == sorted(times)
    assert any(time != int(time) for time in times)


def test_a_step_used_as_a_decorator_opens_a_span_for_each_call() -> None:
    """One decorator serves every call, recursion included."""
    play = run_play("""
        @flow.step('count', a=1)
        def count(n):
            return n and count(n - 1)
        count(2); count(0)
    """)

    parents = [span.parent_id for span in play.spans]
    assert [span.name for span in play.spans] == ["count"] * 4
    assert parents == ["", play.spans[0].span_id, play.spans[1].span_id, ""]
    assert all(span.status == "ok" and span.ends == 1 and span.tags == {"a": 1} for span in play.spans)


def test_one_step_object_can_be_entered_again() -> None:
    """Entering a step twice, nested or one after the other, gives two spans."""
    play = run_play("""
        s = flow.step('s')
        with s as one:
            with s as two:
                assert one is not two
            flow.log('in the first')
        with s: pass
    """)

    assert [(span.status, span.ends) for span in play.spans] == [("ok", 1)] * 3
    assert play.spans[0].logs == ["in the first"]
    assert [span.parent_id for span in play.spans] == ["", play.spans[0].span_id, ""]


def test_decorators_work_on_methods_of_every_sort() -> None:
    """A step decorates methods, and static and class methods from the outside too."""
    play = run_play("""
        class Job:
            @flow.step('plain')
            def plain(self): return self
            @flow.step('static')
            @staticmethod
            def static(x): return x
            @flow.step('class')
            @classmethod
            def made(cls): return cls
        job = Job()
        assert job.plain() is job and job.static(3) == 3 and Job.made() is Job
    """)

    assert play.returncode == 0, play.stderr
    assert [span.name for span in play.spans] == ["plain", "static", "class"]


def test_async_with_works_like_with() -> None:
    """A step is an asynchronous context manager too."""
    play = run_play("""
        import asyncio
        async def main():
            async with flow.step('s', a=1) as s:
                s.tag(b=2)
        asyncio.run(main())
    """)

    assert (play.span("s").tags, play.span("s").status) == ({"a": 1, "b": 2}, "ok")


def test_an_exception_fails_its_span_and_goes_on_unchanged() -> None:
    """status failed, the error's first line is the exception, then the traceback; error.type is its class."""
    play = run_play("""
        raised = ValueError('no such customer')
        try:
            with flow.step('s'):
                raise raised
        except ValueError as caught:
            assert caught is raised and not caught.__dict__ and caught.__context__ is None
            assert caught.__traceback__.tb_next is None
    """)

    span = play.span("s")
    assert play.returncode == 0, play.stderr
    assert span.status == "failed"
    assert span.tags == {"error.type": "ValueError"}
    assert span.error.startswith("ValueError: no such customer\nTraceback (most recent call last):\n")


def test_only_the_innermost_span_carries_the_traceback() -> None:
    """An exception on its way through several spans fails them all, and is told at length once."""
    play = run_play("""
        def work():
            with flow.step('inner'):
                raise ValueError('x')
        try:
            with flow.step('outer'):
                with flow.step('middle'):
                    work()
        except ValueError: pass
    """)

    assert [span.status for span in play.spans] == ["failed"] * 3
    assert "Traceback" in play.span("inner").error
    assert play.span("middle").error == play.span("outer").error == "ValueError: x"


def test_a_traceback_has_the_flows_frames_and_none_of_ours() -> None:
    """Neither between the flow's own, nor in the exception that it came from."""
    play = run_play("""
        @flow.step('inner')
        def inner():
            try:
                middle()
            except ZeroDivisionError as error:
                raise ValueError('x') from error
        @flow.step('middle')
        def middle(): return 1 / 0
        try:
            inner()
        except ValueError: pass
    """)

    assert "ZeroDivisionError: division by zero" in play.span("inner").error
    assert "in middle" in play.span("inner").error
    assert "hero_tracing" not in play.span("inner").error + play.span("middle").error


def test_a_second_exception_is_told_at_length_too() -> None:
    """An exception that was caught leaves no mark on the next one, same address or not."""
    play = run_play("""
        def fail(): raise ValueError('x')
        try:
            with flow.step('outer'):
                for _ in range(5):
                    try:
                        with flow.step('inner'): fail()
                    except ValueError: pass
                fail()
        except ValueError: pass
    """)

    assert "Traceback" in play.span("outer").error


def test_no_exception_is_kept_alive() -> None:
    """When the flow lets go of an exception, it is gone at once."""
    play = run_play("""
        import weakref
        class Mine(Exception): pass
        with flow.step('outer'):
            try:
                with flow.step('inner'): raise Mine('x')
            except Mine as caught:
                watch = weakref.ref(caught)
            assert watch() is None
    """)

    assert play.returncode == 0, play.stderr


def test_failed_is_a_reason_without_a_traceback() -> None:
    """flow.Failed marks the spans around it failed, and the error is the reason alone."""
    play = run_play("""
        import pickle
        try:
            with flow.step('outer'):
                with flow.step('inner'): raise flow.Failed('no rows today')
        except flow.Failed as failed:
            assert failed.reason == 'no rows today' == str(failed)
            assert type(pickle.loads(pickle.dumps(failed))) is flow.Failed
    """)

    assert play.returncode == 0, play.stderr
    assert [(s.status, s.error, s.tags) for s in play.spans] == [("failed", "no rows today", {})] * 2


def test_fail_marks_a_span_failed_without_an_exception() -> None:
    """span.fail lets the span end as failed, and the flow goes on."""
    play = run_play("""
        with flow.step('s') as s:
            s.fail('half of the rows')
        with flow.step('t'): pass
    """)

    assert [(s.status, s.error) for s in play.spans] == [("failed", "half of the rows"), ("ok", "")]


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        ("KeyboardInterrupt()", "cancelled"),
        ("asyncio.CancelledError()", "cancelled"),
        ("SystemExit()", "ok"),
        ("SystemExit(0)", "ok"),
        ("SystemExit(3)", "failed"),
        ("SystemExit('bye')", "failed"),
        ("GeneratorExit()", "ok"),
        ("StopIteration()", "ok"),
        ("StopAsyncIteration()", "ok"),
        ("ExceptionGroup('g', [ValueError('x')])", "failed"),
        ("TimeoutError()", "failed"),
    ],
)
def test_the_status_of_a_span_follows_from_what_leaves_it(raised: str, status: str) -> None:
    """A cancellation is no failure, control flow is no failure, an exit with 0 is no failure."""
    play = run_play(f"""
        import asyncio
        try:
            with flow.step('s'): raise {raised}
        except BaseException as error: print(type(error).__name__)
    """)

    assert play.stdout.strip() == raised.partition("(")[0].rpartition(".")[2]
    assert play.span("s").status == status
    assert ("error.type" in play.span("s").tags) == (status == "failed")


def test_a_cancelled_task_is_a_cancelled_span() -> None:
    """What asyncio cancels ends as cancelled."""
    play = run_play("""
        import asyncio
        async def main():
            async def work():
                with flow.step('s'): await asyncio.sleep(60)
            task = asyncio.create_task(work())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        asyncio.run(main())
    """)

    assert play.span("s").status == "cancelled"


def test_an_error_is_bounded() -> None:
    """An exception with a huge message and a deep traceback takes 16 KiB and a little, no more."""
    play = run_play("""
        def deep(n):
            if not n: raise ValueError('é' * 1_000_000)
            return other(n - 1)
        def other(n): return deep(n)
        try:
            with flow.step('s'): deep(300)
        except ValueError: pass
    """)

    assert play.span("s").error.startswith("ValueError: ééé")
    assert 8_000 < len(play.span("s").error) <= 16 * 1024 + 100


def test_an_exception_without_a_text_has_its_class_for_a_headline() -> None:
    """An empty message leaves no dangling colon, and one that cannot be printed leaves a note."""
    play = run_play("""
        class Mute(Exception):
            def __str__(self): raise RuntimeError('no')
        for error in (ValueError(), Mute()):
            try:
                with flow.step(type(error).__name__): raise error
            except Exception: pass
    """)

    assert play.span("ValueError").error.startswith("ValueError\nTraceback")
    assert play.span("Mute").error.startswith("Mute: <unprintable Mute>\n")


def test_a_span_at_the_end_of_the_stack_disturbs_nobody() -> None:
    """Where the stack has no room left for us, the flow's own RecursionError is what the flow sees."""
    play = run_play("""
        def deep():
            with flow.step('s', a=[1]) as s:
                s.log('x')
                deep()
        try: deep()
        except RecursionError: print('as usual')
        with flow.step('after'): pass
    """)

    assert play.stdout.strip() == "as usual", play.stderr
    assert play.span("after").parent_id == ""


def test_a_tag_before_the_span_begins_is_one_of_its_first() -> None:
    """A step that is tagged before it is entered starts with that tag; a log has no span to go to."""
    play = run_play("""
        s = flow.step('s', a=1)
        s.tag(b=2); s.log('lost')
        with s: pass
    """)

    assert (play.events[0]["tags"], play.span("s").logs) == ({"a": 1, "b": 2}, [])


def test_leaving_spans_out_of_turn_leads_back_to_the_right_one() -> None:
    """When an outer step is left before an inner one, neither stays the current one."""
    play = run_play("""
        with flow.step('root'):
            a, b = flow.step('a'), flow.step('b')
            a.__enter__(); b.__enter__()
            a.__exit__(None, None, None); b.__exit__(None, None, None)
            with flow.step('after'): pass
    """)

    assert play.parent_name("after") == "root"
    assert [span.ends for span in play.spans] == [1] * 4
