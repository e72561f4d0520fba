"""What one terminal of a real PTY host does."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bg_runner.errors import Conflict, NotFound, SpawnFailed, TooMany
from bg_runner.terminals.host_client import HostClient, WatchEvent
from bg_runner.terminals.log_index import read_index
from bg_runner.terminals.models import SpawnRequest
from bg_runner.terminals.output import log_directory, read_exit
from tests.conditions import wait_until
from tests.integration.hosts import ENV, host_log, run, spawn, wait_for_output


def test_a_command_leads_a_session_on_a_terminal_of_the_asked_size(host: HostClient) -> None:
    info = spawn(host, "t", "echo $$ $(ps -o sid=,pgid= -p $$); stty size; tty </dev/tty", size=(50, 132))
    ended = host.wait("t", 10)
    assert ended is not None
    assert ended.code == 0
    lines = host_log(host, "t").decode().split("\r\n")
    assert lines[0].split() == [str(info.pid)] * 3
    assert lines[1] == "50 132"
    assert re.fullmatch(r"/dev/(pts/\d+|tty)", lines[2])


def test_a_command_gets_the_asked_environment_and_a_mark_and_nothing_else(host: HostClient) -> None:
    odd = os.fsdecode(b"\xff\xfe caf\xc3\xa9")
    spawn(host, "t", "/usr/bin/env", "-0", env={"A": "1", "ODD": odd})
    assert host.wait("t", 10)
    variables = dict(line.split(b"=", 1) for line in host_log(host, "t").rstrip(b"\0").split(b"\0"))
    assert variables.pop(b"BG_RUNNER_TERMINAL_HOST")
    assert variables == {b"A": b"1", b"ODD": b"\xff\xfe caf\xc3\xa9", b"BG_RUNNER_TERMINAL_ID": b"t"}


def test_a_command_inherits_no_signal_setting_descriptor_or_directory(host: HostClient, tmp_path: Path) -> None:
    spawn(host, "t", "grep -E '^Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd; pwd", cwd=str(tmp_path))
    assert host.wait("t", 10)
    lines = host_log(host, "t").decode().split()
    assert lines[:3:2] == ["SigBlk:", "SigIgn:"]
    # The C library keeps 32 and 33 to itself; what was started by posix_spawn, as by make, inherits them ignored.
    assert [int(mask, 16) & ~(0b11 << 31) for mask in lines[1:4:2]] == [0, 0]
    assert lines[4:-1] == ["0", "1", "2", "3"]  # ls itself has 3 open.
    assert lines[-1] == str(tmp_path)


def test_the_same_id_starts_nothing_twice(host: HostClient, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    with HostClient(host.data_dir) as other, ThreadPoolExecutor(8) as pool:
        other.ensure()
        clients = [host, other] * 8
        infos = list(pool.map(lambda c: spawn(c, "t", f"echo x >> {marks}; read line"), clients))
    assert len({info.pid for info in infos}) == 1
    host.write("t", b"\n")
    ended = host.wait("t", 10)
    again = spawn(host, "t", f"echo x >> {marks}")
    assert (again.state, again.exit, again.pid) == ("exited", ended, infos[0].pid)
    assert marks.read_text() == "x\n"


@pytest.mark.parametrize(
    ("argv", "cwd", "message"),
    [
        (["no-such-program"], None, "'no-such-program' was not found on the PATH"),
        (["/no/such/program"], None, "'/no/such/program' was not found"),
        (["/etc/passwd"], None, "not executable"),
        (["/bin/true"], "/no/such/directory", "directory /no/such/directory cannot be entered"),
        (["/bin/true"], "/etc/passwd", "directory /etc/passwd cannot be entered"),
        (["/bin/echo", "x" * 200_000], None, "too long"),
    ],
)
def test_a_command_that_cannot_start_is_a_clear_error(
    host: HostClient, argv: list[str], cwd: str | None, message: str
) -> None:
    with pytest.raises(SpawnFailed, match=re.escape(message)):
        host.spawn(SpawnRequest("t", argv, cwd, ENV))
    assert host.info("t") is None
    assert read_exit(log_directory(host.data_dir, "t")) is None
    spawn(host, "t", "true")
    ended = host.wait("t", 10)
    assert ended is not None
    assert ended.code == 0


def test_commands_that_cannot_start_are_all_answered(host: HostClient) -> None:
    """The supervisor may have failed and left before the host has told it all that it wanted to."""
    with ThreadPoolExecutor(4) as pool:
        spawns = [pool.submit(spawn, host, f"t{number}", "no-such-program", "x") for number in range(60)]
        for pending in spawns:
            with pytest.raises(SpawnFailed, match="was not found"):
                pending.result()
    with pytest.raises(SpawnFailed):
        spawn(host, "t", "/bin/echo", "x" * (12 << 20))  # More than the host queues for a supervisor.
    assert host.list() == ()


@pytest.mark.parametrize(
    "request_",
    [
        SpawnRequest("../x", ["/bin/true"]),
        SpawnRequest("t", []),
        SpawnRequest("t", ["a\0b"]),
        SpawnRequest("t", ["\ud800"]),
        SpawnRequest("t", ["/bin/true"], env={"A=B": "c"}),
        SpawnRequest("t", ["/bin/true"], env={"A": "\0"}),
        SpawnRequest("t", ["/bin/true"], rows=0),
        SpawnRequest("t", ["/bin/true"], cols=100_000),
        SpawnRequest("t", ["/bin/true"], log_bytes=0),
        SpawnRequest("t", ["x" * (17 << 20)]),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(host: HostClient, request_: SpawnRequest) -> None:
    with pytest.raises(ValueError, match=r"id|argv|env|rows|cols|log_bytes|too large"):
        host.spawn(request_)
    assert host.list() == ()


def test_a_relative_program_is_found_from_the_directory(host: HostClient, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho here\n")
    script.chmod(0o755)
    spawn(host, "t", "./script", "argument", cwd=str(tmp_path))
    assert host.wait("t", 10)
    assert host_log(host, "t") == b"here\r\n"


def test_exit_codes_and_signals_are_told_apart(host: HostClient) -> None:
    exited, _ = run(host, "code", "exit 137")
    assert (exited.code, exited.signal) == (137, None)
    spawn(host, "signal", "/bin/sleep", "1000")
    host.signal("signal", signal.SIGINT)
    ended = host.wait("signal", 10)
    assert ended is not None
    assert (ended.code, ended.signal) == (None, signal.SIGINT)
    host.signal("signal", signal.SIGINT)
    assert read_exit(log_directory(host.data_dir, "signal")) == ended


def test_input_is_typed_and_the_window_resized(host: HostClient) -> None:
    spawn(host, "t", "trap 'stty size' WINCH; echo ready; while read line; do echo got $line; done")
    wait_for_output(host, "t", b"ready")
    host.write("t", "grüße\n".encode())
    wait_for_output(host, "t", "got grüße".encode())
    cursor = host.resize("t", 33, 111)
    assert cursor is not None
    host.write("t", b"\n")
    wait_for_output(host, "t", b"33 111")
    info = host.info("t")
    assert info is not None
    assert (info.rows, info.cols) == (33, 111)
    assert host.list() == (info,)
    marks = read_index(log_directory(host.data_dir, "t"))
    assert [mark.values for mark in marks if mark.kind == "r"] == [(111, 33, cursor)]
    assert b"33 111" not in host_log(host, "t")[:cursor]


def test_an_attached_master_writes_directly(host: HostClient) -> None:
    spawn(host, "t", "read line; echo got $line; read line")
    masters = [host.attach("t") for _ in range(3)]
    assert len(set(masters)) == 3
    assert all(fcntl.fcntl(master, fcntl.F_GETFD) & fcntl.FD_CLOEXEC for master in masters)
    assert not os.get_blocking(masters[0])
    os.write(masters[1], b"abc\n")
    wait_for_output(host, "t", b"got abc")
    for master in masters:
        os.close(master)
    host.write("t", b"\n")
    assert host.wait("t", 10)
    with pytest.raises(NotFound):
        host.attach("t")


def test_input_that_nobody_reads_is_bounded_and_output_goes_on(host: HostClient) -> None:
    spawn(host, "t", "stty raw -echo; echo ready; sleep 1000")
    wait_for_output(host, "t", b"ready")
    host.write("t", b"x" * 700_000)
    with pytest.raises(TooMany, match="does not read"):
        host.write("t", b"x" * 700_000)
    ended, log = run(host, "other", "echo fine")
    assert (ended.code, log) == (0, b"fine\r\n")


def test_input_in_pieces_arrives_whole(host: HostClient) -> None:
    """A PTY takes about 4 KB at a time; the rest waits in the host."""
    spawn(host, "t", "stty raw -echo; echo ready; head -c 600000 | cksum")
    wait_for_output(host, "t", b"ready")
    host.write("t", bytes(range(256)) * 2343 + b"y" * 192)
    assert host.wait("t", 20)
    assert b"600000" in host_log(host, "t")


def test_forget_drops_an_ended_terminal_only(host: HostClient) -> None:
    spawn(host, "t", "echo x; read line")
    with pytest.raises(Conflict, match="still runs"):
        host.forget("t")
    host.write("t", b"\n")
    assert host.wait("t", 10)
    host.forget("t")
    assert host.info("t") is None
    directory = log_directory(host.data_dir, "t")
    assert directory.is_dir()
    host.forget("t", delete_log=True)
    assert not directory.exists()
    host.forget("never-was", delete_log=True)
    with pytest.raises(ValueError, match="not a terminal id"):
        host.forget("../..", delete_log=True)


def test_operations_on_an_unknown_terminal_say_so(host: HostClient) -> None:
    assert host.info("none") is None
    for operation in (
        lambda: host.write("none", b"x"),
        lambda: host.resize("none", 1, 1),
        lambda: host.signal("none", 15),
        lambda: host.attach("none"),
        lambda: host.wait("none", 5),
    ):
        with pytest.raises(NotFound):
            operation()


class Bells:
    """Collects what a watch says."""

    def __init__(self) -> None:
        self.events: list[WatchEvent] = []
        self.changed = threading.Condition()

    def __call__(self, event: WatchEvent) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def expect(self, count: int) -> WatchEvent:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.events) >= count, 10), self.events
            assert len(self.events) == count, self.events
            return self.events[-1]


def test_a_bell_rings_once_and_again_when_armed(host: HostClient) -> None:
    spawn(host, "t", "stty -echo; echo ready; while read line; do echo $line; done; exit 4")
    wait_for_output(host, "t", b"ready\r\n")
    bells = Bells()
    watch = host.watch("t", bells, cursor=7)
    host.write("t", b"one\n")
    assert bells.expect(1).kind == "output"
    host.write("t", b"two\n")
    wait_for_output(host, "t", b"two\r\n")
    host.list()  # Whatever the host had to say has been said now.
    assert len(bells.events) == 1
    watch.rearm(12)  # Level-triggered: there is more than that already.
    assert bells.expect(2).cursor == 17
    watch.rearm(17)
    host.write("t", b"\x04")
    event = bells.expect(3)
    assert event.kind == "exit"
    assert event.exit is not None
    assert (event.exit.code, event.exit.cursor) == (4, 17)
    watch.rearm(0)
    assert bells.expect(4).kind == "output"
    watch.rearm(17)
    host.list()
    assert len(bells.events) == 4
    host.forget("t")
    assert bells.expect(5).kind == "gone"


def test_a_closed_watch_is_silent_and_a_late_one_rings_at_once(host: HostClient) -> None:
    silent, late, nowhere = Bells(), Bells(), Bells()
    spawn(host, "t", "echo x")
    watch = host.watch("t", silent, cursor=1000)
    watch.close()
    watch.close()
    watch.rearm(0)
    assert host.wait("t", 10)
    host.watch("t", late, cursor=None)
    assert late.expect(1).kind == "exit"
    host.watch("none", nowhere)
    assert nowhere.expect(1).kind == "gone"
    assert silent.events == []


def test_a_wait_can_run_out_of_time(host: HostClient) -> None:
    spawn(host, "t", "read line")
    assert host.wait("t", 0.05) is None
    host.write("t", b"\n")
    assert host.wait("t", 10) == host.wait("t")


def test_a_callback_that_would_wait_for_itself_is_told(host: HostClient) -> None:
    errors: list[Exception] = []

    def ask(_: WatchEvent) -> None:
        try:
            host.list()
        except RuntimeError as error:
            errors.append(error)

    spawn(host, "t", "echo x")
    host.watch("t", ask)
    wait_until(lambda: errors)
    assert "callback" in str(errors[0])
