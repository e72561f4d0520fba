"""A stop ends a terminal's whole process tree, whatever its processes did to get away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from bg_runner.settings import PROJECT
from bg_runner.terminals.host_client import HostClient
from bg_runner.terminals.models import ID_VARIABLE, ProcessId, TerminalInfo
from bg_runner.terminals.process_table import is_alive, process_id
from bg_runner.terminals.processes import kill_tree
from tests.conditions import wait_until
from tests.integration.hosts import is_running, spawn, wait_for_output

STUBBORN = "import os, signal\nfor s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n"
FORKS_ON = STUBBORN + "print('ready', flush=True)\nwhile True:\n    if os.fork(): os._exit(0)\n"
FORKS_ON_IN_NEW_SESSIONS = FORKS_ON + "    os.setsid()\n"
FORKS_MANY = STUBBORN + (
    "print('ready', flush=True)\n"
    "import time\n"
    "while True:\n"
    "    if os.fork() == 0: time.sleep(0.3); os._exit(0)\n"
    "    time.sleep(0.01)\n"
)


def family(info: TerminalInfo) -> list[psutil.Process]:
    return psutil.Process(info.supervisor).children(recursive=True)


@pytest.mark.parametrize(
    ("script", "count", "stubborn"),
    [
        pytest.param("echo ready; sleep 1000", 1, False, id="plain"),
        pytest.param("setsid sleep 1000 & echo ready; sleep 1000", 2, False, id="setsid"),
        pytest.param("nohup sleep 1000 >/dev/null 2>&1 & echo ready; sleep 1000", 2, False, id="nohup"),
        pytest.param(
            "(setsid sh -c 'sleep 1001 & echo ready; exec sleep 1000' &); sleep 1000", 3, False, id="double-fork"
        ),
        pytest.param("(env -i setsid sleep 1000 &); echo ready; sleep 1000", 2, False, id="cleared-environment"),
        pytest.param("trap '' TERM HUP; echo ready; while :; do sleep 1000; done", 2, True, id="ignores-TERM"),
        pytest.param("setsid sleep 1000 & kill -STOP $!; echo ready; sleep 1000", 2, False, id="stopped"),
        pytest.param("echo ready; exec bash --norc -i", 1, False, id="interactive-shell"),
        pytest.param(
            "setsid bash -c 'trap \"\" 1 15; echo ready; kill -STOP $$; sleep 1000' & sleep 1000", 2, True, id="both"
        ),
    ],
)
def test_nothing_gets_away(host: HostClient, script: str, count: int, stubborn: bool) -> None:
    info = spawn(host, "t", script)
    wait_for_output(host, "t", b"ready")
    before = wait_until(lambda: f if len(f := family(info)) >= count else [])
    killed = kill_tree(info.supervisor_process, grace=0.3, main=info.main_process, tag=(ID_VARIABLE, "t"))
    assert not any(map(is_running, [process.pid for process in before]))
    assert not is_alive(info.supervisor_process)
    assert {process.pid for process in before} <= set(killed.ended)
    assert killed.survivors == []
    assert (killed.seconds >= 0.3) == stubborn
    assert host.wait("t", 10)


@pytest.mark.parametrize("program", [FORKS_ON, FORKS_ON_IN_NEW_SESSIONS, FORKS_MANY], ids=["chain", "sessions", "many"])
def test_a_program_that_keeps_forking_is_caught(host: HostClient, program: str) -> None:
    info = spawn(host, "t", sys.executable, "-c", program)
    wait_for_output(host, "t", b"ready")
    killed = kill_tree(info.supervisor_process, grace=0.1, main=info.main_process)
    assert killed.survivors == []
    assert not is_alive(info.supervisor_process)


def test_a_polite_tree_is_ended_at_once_and_twice_is_harmless(host: HostClient) -> None:
    info = spawn(host, "t", "echo ready; sleep 1000")
    wait_for_output(host, "t", b"ready")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: kill_tree(info.supervisor_process, main=info.main_process), range(2)))
    assert all(killed.survivors == [] and killed.seconds < 4 for killed in both)
    again = kill_tree(info.supervisor_process, main=info.main_process, tag=(ID_VARIABLE, "t"))
    assert (again.ended, again.survivors) == ([], [])
    ended = host.wait("t", 10)
    assert ended is not None
    assert ended.signal in (signal.SIGTERM, signal.SIGHUP)


def test_other_terminals_are_not_touched(host: HostClient) -> None:
    other = spawn(host, "other", "sleep 1000")
    info = spawn(host, "t", "sleep 1000")
    assert kill_tree(info.supervisor_process, grace=1).survivors == []
    assert is_alive(other.main_process)
    assert is_alive(other.supervisor_process)


def test_a_background_child_of_an_ended_command_is_ended_too(host: HostClient) -> None:
    info = spawn(host, "t", "stty -echo; setsid bash -c 'echo $$; exec sleep 1000' & read line")
    child = int(wait_for_output(host, "t", b"\r\n"))
    host.write("t", b"\n")
    assert host.wait("t", 10)
    assert is_running(child)
    assert kill_tree(info.supervisor_process, grace=1).ended == [child]
    assert not is_running(child)


def test_a_tree_without_its_supervisor_is_found_by_main_and_mark(host: HostClient) -> None:
    info = spawn(host, "t", "(setsid sleep 1000 &); sleep 1000 & echo ready; sleep 1000")
    wait_for_output(host, "t", b"ready")
    before = wait_until(lambda: f if len(f := family(info)) == 3 else [])
    os.kill(info.supervisor, signal.SIGKILL)
    wait_until(lambda: not is_alive(info.supervisor_process))
    killed = kill_tree(info.supervisor_process, grace=1, main=info.main_process, tag=(ID_VARIABLE, "t"))
    assert set(killed.ended) == {process.pid for process in before}
    assert killed.survivors == []


def test_a_process_that_has_the_pid_but_is_another_one_is_not_hit() -> None:
    with subprocess.Popen(["/bin/sleep", "1000"]) as process:
        me = process_id(os.getpid())
        real = process_id(process.pid)
        assert me is not None
        assert real is not None
        wrong_supervisor = ProcessId(me.pid, me.started - 1)
        wrong_main = ProcessId(real.pid, real.started - 1)
        killed = kill_tree(wrong_supervisor, grace=0.1, main=wrong_main)
        assert (killed.ended, killed.survivors) == ([], [])
        assert process.poll() is None
        process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_what_may_not_be_ended_is_told_in_bounded_time(host: HostClient) -> None:
    info = spawn(host, "t", "echo ready; sleep 1000")
    wait_for_output(host, "t", b"ready")
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[3]);"
        "from bg_runner.terminals.processes import ProcessId, kill_tree; os.setuid(65534);"
        "print(*kill_tree(ProcessId(int(sys.argv[1]), int(sys.argv[2])), grace=0.2).survivors)"
    )
    arguments = [str(info.supervisor), str(info.supervisor_started), str(PROJECT)]
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    assert time.monotonic() - begin < 10
    assert sorted(map(int, done.stdout.split())) == sorted(process.pid for process in family(info))
    assert is_alive(info.main_process)


def test_one_that_hangs_in_a_stopped_supervisor_is_still_ended(host: HostClient) -> None:
    info = spawn(host, "t", "echo ready; sleep 1000")
    wait_for_output(host, "t", b"ready")
    os.kill(info.supervisor, signal.SIGSTOP)
    killed = kill_tree(info.supervisor_process, grace=0.5, main=info.main_process)
    assert killed.survivors == []
    assert info.pid in killed.ended
    os.kill(info.supervisor, signal.SIGCONT)
    assert host.wait("t", 10)
