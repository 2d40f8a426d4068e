"""The current span, wherever a flow goes: tasks, threads, pools, generators, forks."""

from __future__ import annotations

import pytest

from support.sdk_plays import Play, run_play


def test_tasks_nest_in_the_span_that_made_them() -> None:
    """Tasks that run at once each have their own current span, inside the one that made them."""
    play = run_play("""
        import asyncio
        async def work(n):
            with flow.step(f'outer{n}'):
                await asyncio.sleep(0)
                with flow.step(f'inner{n}'):
                    await asyncio.sleep(0)
        @flow
        async def main():
            await asyncio.gather(*(work(n) for n in range(3)))
        asyncio.run(main())
    """)

    assert [play.parent_name(f"inner{n}") for n in range(3)] == ["outer0", "outer1", "outer2"]
    assert {play.parent_name(f"outer{n}") for n in range(3)} == {"main"}


@pytest.mark.parametrize("first", ["", "import threading, logging, concurrent.futures.thread, asyncio"])
def test_a_thread_begins_in_the_span_that_started_it(first: str) -> None:
    """threading.Thread, its subclasses and timers inherit the current span, whenever it was imported."""
    play = run_play(
        """
        from threading import Thread, Timer
        class Mine(Thread):
            def run(self):
                with flow.step('subclass'): pass
        def work(name):
            with flow.step(name): pass
        with flow.step('root'):
            threads = [Thread(target=work, args=('plain',)), Mine(), Timer(0, work, ['timer'])]
            for t in threads: t.start()
            for t in threads: t.join()
            assert not any('_hero_span' in vars(t) for t in threads)
        """,
        first=first,
    )

    assert play.returncode == 0, play.stderr
    assert {play.parent_name(name) for name in ("plain", "subclass", "timer")} == {"root"}


def test_the_finder_goes_when_its_work_is_done() -> None:
    """Nothing of ours stays on sys.meta_path once the three modules are patched."""
    play = run_play("""
        import sys
        count = len(sys.meta_path)
        import threading, concurrent.futures.thread, logging
        print(count - len(sys.meta_path), type(logging.__loader__).__name__, logging.__spec__.name)
    """)

    assert play.stdout.split() == ["1", "SourceFileLoader", "logging"]


@pytest.mark.parametrize("first", ["", "import threading, logging, concurrent.futures.thread, asyncio"])
def test_a_pool_task_runs_in_the_span_that_submitted_it(first: str) -> None:
    """submit, map and run_in_executor carry the span of each task, not that of the thread's first task."""
    play = run_play(
        """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor
        def work(name):
            with flow.step(name): return name
        with ThreadPoolExecutor(1) as pool:
            with flow.step('one'):
                assert pool.submit(work, 'in one').result() == 'in one'
            with flow.step('two'):
                assert list(pool.map(work, ['in two'])) == ['in two']
            pool.submit(work, 'in none').result()
            async def main():
                with flow.step('three'):
                    await asyncio.get_running_loop().run_in_executor(pool, work, 'in three')
                    await asyncio.get_running_loop().run_in_executor(None, work, 'in default')
                    await asyncio.to_thread(work, 'in to_thread')
            asyncio.run(main())
        """,
        first=first,
    )

    assert play.returncode == 0, play.stderr
    names = ("one", "two", "none", "three", "default", "to_thread")
    parents = {name: play.parent_name(f"in {name}") for name in names}
    assert parents == {
        "one": "one",
        "two": "two",
        "none": "",
        "three": "three",
        "default": "three",
        "to_thread": "three",
    }


def test_propagate_carries_the_span_of_its_place() -> None:
    """A propagated callable runs in that span, in any thread, again and again, and at once."""
    play = run_play("""
        import _thread, queue
        done = queue.Queue()
        with flow.step('root'):
            @propagate
            def work(name):
                with flow.step(name): return name
        def raw(name):
            done.put(work(name))
        for n in range(4): _thread.start_new_thread(raw, (f'w{n}',))
        names = sorted(done.get() for _ in range(4))
        with flow.step('elsewhere'):
            assert work('here') == 'here' and flow.current_span.span_id
            with flow.step('after'): pass
        assert work.__name__ == 'work' and names == ['w0', 'w1', 'w2', 'w3']
    """)

    assert play.returncode == 0, play.stderr
    assert {play.parent_name(name) for name in ("w0", "w1", "w2", "w3", "here")} == {"root"}
    assert play.parent_name("after") == "elsewhere"


def test_propagate_keeps_the_shape_of_a_function() -> None:
    """A propagated coroutine function is one, and a propagated generator function is one."""
    play = run_play("""
        import asyncio, inspect
        with flow.step('root'):
            @propagate
            async def fetch():
                with flow.step('fetched'): pass
            @propagate
            def count():
                with flow.step('counted'): yield 1
        assert inspect.iscoroutinefunction(fetch) and inspect.isgeneratorfunction(count)
        asyncio.run(fetch()); list(count())
    """)

    assert play.returncode == 0, play.stderr
    assert (play.parent_name("fetched"), play.parent_name("counted")) == ("root", "root")


def test_a_decorated_generator_keeps_its_span_to_itself() -> None:
    """Inside the generator its step is current; the code that consumes it stays in its own span."""
    play = run_play("""
        @flow.step('generator')
        def numbers():
            with flow.step('inside'):
                got = yield 1
                assert got == 'sent'
            try:
                yield 2
            except KeyError:
                yield 3
            return 4
        with flow.step('root'):
            g = numbers()
            assert next(g) == 1
            with flow.step('consumer'): assert g.send('sent') == 2
            assert g.throw(KeyError()) == 3
            try: next(g)
            except StopIteration as stop: assert stop.value == 4
            with flow.step('after'): pass
    """)

    assert play.returncode == 0, play.stderr
    parents = {name: play.parent_name(name) for name in ("generator", "inside", "consumer", "after")}
    assert parents == {"generator": "root", "inside": "generator", "consumer": "root", "after": "root"}
    assert all(span.status == "ok" for span in play.spans)


def test_a_decorated_generator_that_is_closed_ends_ok() -> None:
    """Leaving a generator early is no failure; an exception inside it is one."""
    play = run_play("""
        @flow.step('closed')
        def closed():
            try: yield 1
            finally: flow.log('cleaned up')
        @flow.step('broken')
        def broken():
            yield 1
            raise ValueError('x')
        for _ in closed(): break
        try: list(broken())
        except ValueError: pass
    """)

    assert (play.span("closed").status, play.span("closed").logs) == ("ok", ["cleaned up"])
    assert play.span("broken").status == "failed"


def test_a_decorated_async_generator_keeps_its_span_to_itself() -> None:
    """The same for asynchronous generators."""
    play = run_play("""
        import asyncio, inspect
        @flow.step('agen')
        async def numbers():
            with flow.step('inside'):
                await asyncio.sleep(0)
                got = yield 1
                yield got
        async def main():
            with flow.step('root'):
                g = numbers()
                assert await g.asend(None) == 1
                with flow.step('consumer'): assert await g.asend(5) == 5
                await g.aclose()
        assert inspect.isasyncgenfunction(numbers)
        asyncio.run(main())
    """)

    assert play.returncode == 0, play.stderr
    parents = {name: play.parent_name(name) for name in ("agen", "inside", "consumer")}
    assert parents == {"agen": "root", "inside": "agen", "consumer": "root"}
    assert all(span.status == "ok" and span.ends == 1 for span in play.spans)


def test_a_function_that_returns_a_coroutine_spans_its_work() -> None:
    """A span around an undeclared coroutine lasts until the coroutine is done."""
    play = run_play("""
        import asyncio
        @flow.step('s')
        def start():
            async def work():
                with flow.step('inside'): await asyncio.sleep(0)
                return 5
            return work()
        assert asyncio.run(start()) == 5
    """)

    assert play.returncode == 0, play.stderr
    assert play.parent_name("inside") == "s"
    assert [event["span_id"] for event in play.events if event["type"] == "span_end"][-1] == play.span(
        "s"
    ).span_id


FORK = """
    import os
    with flow.step('root'):
        child = os.fork()
        with flow.step('child' if not child else 'parent') as s:
            s.log('x' * 50)
        flow.log('from the ' + ('parent' if child else 'child'))
    if not child: os._exit(0)
    os.waitpid(child, 0)
    with flow.step('after'): pass
"""


def _check_fork(play: Play) -> None:
    assert play.returncode == 0, play.stderr
    assert play.parent_name("child") == play.parent_name("parent") == "root"
    assert play.span("root").ends == 1
    assert sorted(play.span("root").logs) == ["from the child", "from the parent"]
    assert play.parent_name("after") == ""


def test_a_forked_child_has_its_own_connection_and_never_ends_its_parents_span() -> None:
    """Each process says hello on its own connection; the child's spans keep the right parent."""
    play = run_play(FORK)

    _check_fork(play)
    assert len(play.connections) == len({hello["writer"] for hello in play.hellos}) == 2
    assert len({hello["pid"] for hello in play.hellos}) == 2
    assert play.span("child").span_id[:8] != play.span("parent").span_id[:8]


def test_a_forked_child_on_a_shared_descriptor_says_no_hello_of_its_own() -> None:
    """One connection, one hello: two processes write to it, in whole lines."""
    play = run_play(FORK, by_descriptor=True)

    _check_fork(play)
    assert (len(play.connections), len(play.hellos)) == (1, 1)


def test_long_events_on_a_shared_descriptor_are_cut_to_16_kib() -> None:
    """Where two processes write to one descriptor, no line is longer than what one write carries."""
    play = run_play(
        """
        import os
        child = os.fork()
        with flow.step('é' * 5000, **{f'k{n}': '\\U0001f600' * 5000 for n in range(20)}) as s:
            s.log('é' * 50_000); s.log('x' * 50_000)
            try:
                with flow.step('fails'): raise ValueError('é' * 50_000)
            except ValueError: pass
        if not child: os._exit(0)
        os.waitpid(child, 0)
        """,
        by_descriptor=True,
    )

    assert play.returncode == 0, play.stderr
    assert len(play.events) == 2 * 7
    assert max(map(len, play.lines)) < 16 * 1024


def test_forks_under_load_never_deadlock_or_mix_lines() -> None:
    """Forking while other threads write: every child can write, and every line is whole."""
    play = run_play(
        """
        import os, threading
        stop = threading.Event()
        def chatter():
            while not stop.is_set():
                with flow.step('chatter') as s: s.log('y' * 500)
        threads = [threading.Thread(target=chatter) for _ in range(3)]
        for t in threads: t.start()
        children = []
        for n in range(15):
            child = os.fork()
            if not child:
                with flow.step(f'child{n}'): pass
                os._exit(0)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 15
        stop.set()
        for t in threads: t.join()
        """
    )

    assert play.returncode == 0, play.stderr
    assert {span.name for span in play.spans} == {"chatter", *(f"child{n}" for n in range(15))}
    assert all(span.ends == 1 for span in play.spans)


def test_multiprocessing_children_are_traced() -> None:
    """A forked pool of processes writes its own spans, inside the span that made it."""
    play = run_play("""
        import multiprocessing
        def work(n):
            with flow.step(f'w{n}'): return n
        with flow.step('root'):
            with multiprocessing.get_context('fork').Pool(2) as pool:
                assert pool.map(work, range(4)) == [0, 1, 2, 3]
    """)

    assert play.returncode == 0, play.stderr
    assert {play.parent_name(f"w{n}") for n in range(4)} == {"root"}
