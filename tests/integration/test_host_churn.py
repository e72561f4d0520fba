"""A thousand terminals opened and closed: everything of the host is back to where it was."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import psutil
import pytest

from bg_runner.terminals.host_client import HostClient, WatchEvent
from tests.conditions import wait_until
from tests.integration.hosts import host_process, spawn

TERMINALS = 1000
AT_ONCE = 4
HALF_A_MEGABYTE = 512 * 1024


class Held(NamedTuple):
    """What the host holds: descriptors and processes of it, descriptors and threads here."""

    descriptors: int
    processes: int
    our_descriptors: int
    our_threads: int


def held(host: psutil.Process) -> Held:
    ours = psutil.Process()
    return Held(host.num_fds(), len(host.children(recursive=True)), ours.num_fds(), threading.active_count())


def open_and_close(host: HostClient, number: int) -> None:
    """By turns: one that ends at once, one with output that is followed, one that is killed with its child."""
    terminal_id = f"t{number}"
    if number % 3 == 0:
        spawn(host, terminal_id, "/bin/true")
    elif number % 3 == 1:
        rang = threading.Event()

        def on_event(_: WatchEvent) -> None:
            rang.set()

        spawn(host, terminal_id, "/usr/bin/printf", "%05000d", "7")
        watch = host.watch(terminal_id, on_event)
        assert rang.wait(60)
        watch.close()
    else:
        spawn(host, terminal_id, "sleep 1000 & sleep 1000")
        host.resize(terminal_id, 30, 100)
        host.signal(terminal_id, signal.SIGKILL)
    assert host.wait(terminal_id, 60)
    host.forget(terminal_id, delete_log=True)


def churn(host: HostClient, numbers: range) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda number: open_and_close(host, number), numbers):
            pass


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_terminals_leave_nothing_behind(host: HostClient) -> None:
    process = host_process(host.data_dir)
    assert process is not None
    churn(host, range(60))  # What the first ones make for good: directories, caches, arenas.
    # The fork server, a spare supervisor and its PTY child.
    before = wait_until(lambda: now if (now := held(process)).processes == 3 else None, 30)
    memory = process.memory_info().rss
    churn(host, range(60, 60 + TERMINALS))
    wait_until(lambda: held(process) == before, 30)
    assert host.list() == ()
    assert list((host.data_dir / "terminals").iterdir()) == []
    assert process.memory_info().rss - memory < HALF_A_MEGABYTE
