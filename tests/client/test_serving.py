"""How a server is asked for, and what runs its plays."""

from __future__ import annotations

from pathlib import Path

import pytest

from hero_logic.client import Client, ServeOptions
from hero_logic.core.errors import UsageError
from hero_logic.crew import PoolCrew, WorkersCrew
from support.processes import pids_with
from support.runtime import client_at
from support.waiting import wait_until


def test_nobody_else_is_served_unless_it_is_said() -> None:
    """At a loopback address, with a token, for no foreign name."""
    options = ServeOptions()

    assert (options.host, options.wants_token, options.allowed_hosts) == ("127.0.0.1", True, ())
    assert (options.workers, options.rate, options.socket_path) == (0, 0.0, None)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return client_at(tmp_path / "home", HERO_FLOW_MARKER=f"marker-{tmp_path.name}", PATH="/usr/bin:/bin")


def test_a_pool_in_this_process_runs_plays_where_no_worker_is_wanted(client: Client) -> None:
    """It is there when the block begins, and was not started."""
    with client._crew(ServeOptions(plays_at_once=3), lambda _: None) as crew:
        assert isinstance(crew, PoolCrew)
        assert crew._pool._plays_at_once == 3
        assert crew._pool.running == []
        assert crew.verbs.play_list().plays == []
        crew.start()
        crew.stop()


def test_workers_are_started_when_the_server_is_ready_and_end_with_it(client: Client, tmp_path: Path) -> None:
    """As many as are wanted, each a process of its own."""
    marker = f"marker-{tmp_path.name}"
    with client._crew(ServeOptions(workers=2), lambda _: None) as crew:
        assert isinstance(crew, WorkersCrew)
        assert pids_with(marker) == []
        crew.start()
        wait_until(lambda: len(crew._workers.pids) == 2, "two workers")
        pids = crew._workers.pids

    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert pids_with(marker) == []


def test_a_retention_that_means_nothing_is_told_before_anything_is_served(tmp_path: Path) -> None:
    """By the name of its variable."""
    client = client_at(tmp_path / "home", HERO_LOGIC_KEEP_DAYS="soon")

    with (
        pytest.raises(UsageError, match="HERO_LOGIC_KEEP_DAYS"),
        client._crew(ServeOptions(workers=1), print),
    ):
        pass
