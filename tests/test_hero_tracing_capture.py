"""What a flow prints and logs inside a span becomes that span's log, and still goes where it went."""

from __future__ import annotations

import pytest

from support.sdk_plays import run_play


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_printed_line_is_a_log_and_still_printed(stream: str) -> None:
    """print inside a span reaches the real stream first, and is one log a line."""
    play = run_play(f"""
        import sys
        with flow.step('s'):
            print('one', 2, file=sys.{stream})
            print('three\\nfour', file=sys.{stream})
            print(file=sys.{stream})
            sys.{stream}.writelines(['five\\n', 'six\\n'])
    """)

    assert getattr(play, stream) == "one 2\nthree\nfour\n\nfive\nsix\n"
    assert play.span("s").logs == ["one 2", "three", "four", "", "five", "six"]
    assert set(play.span("s").levels) == {None}


def test_nothing_is_logged_outside_of_spans() -> None:
    """Where no span is open, printing and logging write no event."""
    play = run_play("""
        import logging
        print('x'); logging.warning('y')
        with flow.step('s'): pass
        print('z')
    """)

    assert [event["type"] for event in play.events] == ["span_start", "span_end"]
    assert play.stdout == "x\nz\n"
    assert play.stderr == "WARNING:root:y\n"


def test_a_line_without_its_end_is_logged_when_the_span_ends() -> None:
    """Parts of a line are one log; what is left over is flushed at the end of the span, before its end."""
    play = run_play("""
        with flow.step('s'):
            print('a', end=''); print('b', end='\\n'); print('rest', end='')
    """)

    assert play.span("s").logs == ["ab", "rest"]
    assert play.events[-1]["type"] == "span_end"
    assert play.stdout == "ab\nrest"


def test_parts_of_lines_belong_to_the_span_in_which_they_were_printed() -> None:
    """A line begun in one span and ended in another is two logs."""
    play = run_play("""
        with flow.step('outer'):
            print('begun', end=' ')
            with flow.step('inner'): print('inside')
            print('ended')
    """)

    assert play.span("inner").logs == ["inside"]
    assert play.span("outer").logs == ["begun ended"]


def test_threads_in_one_span_do_not_share_a_line() -> None:
    """What two threads print at once stays two lines."""
    play = run_play("""
        import threading
        first, second = threading.Event(), threading.Event()
        def one():
            print('on', end=''); first.set(); second.wait(); print('e')
        def two():
            first.wait(); print('two'); second.set()
        with flow.step('s'):
            threads = [threading.Thread(target=f) for f in (one, two)]
            for t in threads: t.start()
            for t in threads: t.join()
    """)

    assert sorted(play.span("s").logs) == ["one", "two"]


def test_a_line_overwritten_by_carriage_returns_is_logged_as_a_terminal_shows_it() -> None:
    """A progress bar leaves its last state, not all of them."""
    play = run_play("""
        with flow.step('s'):
            for n in range(1000): print(f'{n}%', end='\\r')
            print('100%')
            print('dos\\r')
    """)

    assert play.span("s").logs == ["100%", "dos"]


def test_a_printed_line_is_bounded() -> None:
    """A line is cut at 16 KiB, whether it comes at once or in parts that never end."""
    play = run_play("""
        with flow.step('s'):
            print('x' * 100_000)
            for _ in range(100): print('y' * 1000, end='')
    """)

    assert [len(log) for log in play.span("s").logs] == [16 * 1024 + 1] * 2
    assert play.stdout == "x" * 100_000 + "\n" + "y" * 100_000


def test_the_streams_keep_all_their_other_features() -> None:
    """buffer, fileno, isatty, encoding, reconfigure, isinstance: as ever; the buffer is not captured."""
    play = run_play("""
        import io, sys
        with flow.step('s'):
            sys.stdout.buffer.write(b'raw\\n'); sys.stdout.flush()
            assert sys.stdout.fileno() == 1 and not sys.stdout.isatty() and sys.stdout.encoding
            sys.stdout.reconfigure(line_buffering=True)
            assert sys.stdout.line_buffering and isinstance(sys.stdout, io.TextIOWrapper)
            assert sys.stdout.write('four\\n') == 5 and not sys.stdout.closed
            sys.stdout.extra = 1
            assert sys.stdout.extra == 1 and 'stdout' in repr(sys.stdout)
            try: sys.stdout.write(b'bytes')
            except TypeError: print('as usual')
            try: sys.stdout.nothing
            except AttributeError as error: assert 'TextIOWrapper' in str(error)
    """)

    assert play.returncode == 0, play.stderr
    assert play.stdout == "raw\nfour\nas usual\n"
    assert play.span("s").logs == ["four", "as usual"]


def test_a_replaced_stdout_is_left_alone() -> None:
    """contextlib.redirect_stdout and the like work, and what they take is not captured."""
    play = run_play("""
        import contextlib, io
        with flow.step('s'):
            with contextlib.redirect_stdout(io.StringIO()) as text: print('inside')
            print(repr(text.getvalue()))
    """)

    assert play.span("s").logs == [r"'inside\n'"]


@pytest.mark.parametrize("first", ["", "import logging"])
def test_a_log_record_is_one_log_with_its_level(first: str) -> None:
    """A record is logged once with its level's name, though its handler prints it to a captured stream."""
    play = run_play(
        """
        import logging, sys
        logging.basicConfig(stream=sys.stdout, level=logging.INFO, format='%(levelname)s %(message)s')
        log = logging.getLogger('mine')
        with flow.step('s'):
            log.info('hello %s', 'you'); log.debug('not heard'); log.error('bad')
            print('printed')
        """,
        first=first,
    )

    assert play.stdout == "INFO hello you\nERROR bad\nprinted\n"
    assert play.span("s").logs == ["hello you", "bad", "printed"]
    assert play.span("s").levels == ["INFO", "ERROR", None]


def test_logging_works_as_without_us() -> None:
    """No handler is added: basicConfig and the handler of last resort do what they always did."""
    play = run_play("""
        import logging
        assert logging.getLogger().handlers == []
        with flow.step('s'):
            logging.getLogger('x').info('too low')
            logging.getLogger('x').warning('last resort')
        assert logging.getLogger().handlers == []
    """)

    assert play.returncode == 0, play.stderr
    assert play.stderr == "last resort\n"
    assert play.span("s").logs == ["last resort"]


def test_an_exception_in_a_log_record_is_logged_with_it() -> None:
    """logging.exception brings its traceback along."""
    play = run_play("""
        import logging
        with flow.step('s'):
            try: 1 / 0
            except ZeroDivisionError: logging.exception('oh no')
    """)

    (log,) = play.span("s").logs
    assert log.startswith("oh no\nZeroDivisionError: division by zero\nTraceback")
    assert play.span("s").status == "ok"


def test_a_bad_log_record_disturbs_nobody() -> None:
    """A message that does not fit its arguments is logging's own trouble, as it always was."""
    play = run_play("""
        import logging
        with flow.step('s'):
            logging.warning('%d', 'x')
            logging.warning('fine')
        print('alive')
    """)

    assert play.stdout == "alive\n"
    assert play.span("s").logs == ["fine"]


def test_a_handler_that_opens_spans_and_logs_does_no_harm() -> None:
    """Capture may be entered again from inside itself."""
    play = run_play("""
        import logging
        class Handler(logging.Handler):
            def emit(self, record):
                with flow.step('handling'): print('handled')
        logging.getLogger().addHandler(Handler())
        with flow.step('s'):
            logging.warning('x')
            print('after')
    """)

    assert play.parent_name("handling") == "s"
    assert play.span("s").logs == ["x", "after"]
