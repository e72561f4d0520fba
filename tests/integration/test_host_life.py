"""How a PTY host begins, outlives its server, ends, and what is left when it is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from bg_runner.errors import HostGone
from bg_runner.settings import PROJECT
from bg_runner.terminals import fork_server, protocol
from bg_runner.terminals.host_client import HostClient, WatchEvent
from bg_runner.terminals.output import log_directory, read_exit
from bg_runner.terminals.processes import end_leftovers, find_leftovers
from tests.conditions import wait_until
from tests.integration.hosts import ENV, host_log, host_process, is_running, run, spawn, wait_for_output

HOST = [sys.executable, "-m", "bg_runner.terminals.host"]


@contextlib.contextmanager
def bare_host(data_dir: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A host started by hand, which listens already."""
    with subprocess.Popen([*HOST, str(data_dir), *options], cwd=PROJECT) as process:
        wait_until(lambda: host_process(data_dir) and (data_dir / "host.sock").exists())
        try:
            yield process
        finally:
            process.kill()


def test_racing_servers_start_one_host(host_dir: Path) -> None:
    clients = [HostClient(host_dir) for _ in range(6)]
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(lambda client: client.ensure(), clients))
    assert len({client.instance for client in clients}) == 1
    for number, client in enumerate(clients):
        spawn(client, f"t{number}", "read line")
    assert len(clients[0].list()) == len(clients)
    for client in clients:
        client.close()


def test_a_client_does_not_start_a_host_unasked(host_dir: Path) -> None:
    with HostClient(host_dir) as client:
        assert client.ensure(start=False) is False
        with pytest.raises(HostGone):
            client.list()
        assert host_process(host_dir) is None
    with pytest.raises(HostGone, match="closed"):
        client.ensure()


def test_the_socket_the_lock_and_the_log_are_private(host: HostClient) -> None:
    assert {(host.data_dir / name).stat().st_mode & 0o777 for name in ("host.sock", "host.lock", "host.log")} == {0o600}
    process = host_process(host.data_dir)
    assert process is not None
    assert os.getsid(process.pid) == process.pid
    assert {str(Path(f"/proc/{process.pid}/fd/{fd}").readlink()) for fd in (0, 1)} == {"/dev/null"}
    assert not any(name.startswith("BG_RUNNER_") for name in process.environ())


def test_the_host_is_small_and_imports_little(host: HostClient) -> None:
    process = host_process(host.data_dir)
    assert process is not None
    assert process.memory_info().rss < 25 * 1024 * 1024
    code = "import sys, bg_runner.terminals.host; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    heavy = {"pydantic", "flask", "asyncio", "psutil", "dataclasses", "hashlib", "argparse", "logging", "threading"}
    assert not heavy & set(names.split())


def test_terminals_outlive_a_killed_server(host_dir: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from bg_runner.terminals.host_client import HostClient;"
        "from tests.integration.hosts import spawn; host = HostClient(Path(sys.argv[1])); host.ensure();"
        "spawn(host, 't', 'read line; echo got $line; exit 9'); print('spawned', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(host_dir)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"spawned\n"
        process = host_process(host_dir)
        server.kill()
    with HostClient(host_dir) as host:
        assert host.ensure(start=False)
        assert host_process(host_dir) == process
        host.write("t", b"x\n")
        ended = host.wait("t", 10)
        assert ended is not None
        assert ended.code == 9
        assert host_log(host, "t").endswith(b"got x\r\n")


def test_a_killed_host_is_noticed_by_everybody(host: HostClient) -> None:
    events: list[WatchEvent] = []
    ended, _ = run(host, "ended", "exit 3")
    spawn(host, "running", "read line")
    host.watch("running", events.append)
    instance, process = host.instance, host_process(host.data_dir)
    assert process is not None
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(host.wait, "running")
        process.kill()
        with pytest.raises(HostGone):
            waiting.result(10)
    wait_until(lambda: events)
    assert [event.kind for event in events] == ["gone"]
    with pytest.raises(HostGone):
        host.list()
    assert host.ensure()
    assert host.instance != instance
    assert host.info("running") is None
    assert host.info("ended") is None
    assert read_exit(log_directory(host.data_dir, "running")) is None
    assert read_exit(log_directory(host.data_dir, "ended")) == ended


def test_what_a_killed_host_leaves_ends_by_itself(host: HostClient) -> None:
    """Nobody reads these terminals any more, and a rerun must not stand beside them."""
    daemons = "env -i setsid sleep 1000 & setsid nohup sleep 1000 >/dev/null 2>&1 &"
    script = f"trap '' HUP TERM; {daemons} echo $(jobs -p); sleep 1000"
    info = spawn(host, "t", script)
    spawn(host, "polite", "sleep 1000")
    pids = [int(pid) for pid in wait_for_output(host, "t", b"\r\n").split()]
    process = host_process(host.data_dir)
    assert process is not None
    process.kill()
    wait_until(lambda: not any(map(is_running, [*pids, info.pid, info.supervisor])), 20)
    assert find_leftovers(host.data_dir, "polite") == []


def test_leftovers_are_found_and_ended_without_the_host(host: HostClient, tmp_path: Path) -> None:
    script = "trap '' HUP TERM; env -i setsid sleep 1000 & echo $!; sleep 1000"
    info = spawn(host, "t", script)
    other = spawn(host, "other", "echo ready; sleep 1000")
    wait_for_output(host, "other", b"ready")
    daemon = int(wait_for_output(host, "t", b"\r\n"))
    found = {process.pid for process in find_leftovers(host.data_dir, "t")}
    assert {info.pid, info.supervisor, daemon} <= found
    assert not {other.pid, other.supervisor} & found
    assert find_leftovers(tmp_path, "t") == []
    process = host_process(host.data_dir)
    assert process is not None
    process.kill()
    killed = end_leftovers(host.data_dir, "t", grace=0.2)
    assert killed.survivors == []
    assert not any(map(is_running, found))
    assert find_leftovers(host.data_dir, "t") == []


def test_a_killed_supervisor_costs_no_exit(host: HostClient) -> None:
    info = spawn(host, "t", "echo here; read line; exit 8")
    wait_for_output(host, "t", b"here")
    os.kill(info.supervisor, signal.SIGKILL)
    wait_until(lambda: psutil.Process(info.pid).ppid() != info.supervisor)
    host.write("t", b"\n")
    ended = host.wait("t", 10)
    assert ended is not None
    assert ended.code == 8
    host.forget("t")


def test_a_killed_supervisor_can_still_be_signalled_around(host: HostClient) -> None:
    info = spawn(host, "t", "/bin/sleep", "1000")
    os.kill(info.supervisor, signal.SIGKILL)
    wait_until(lambda: psutil.Process(info.pid).ppid() != info.supervisor)
    host.signal("t", signal.SIGUSR1)
    ended = host.wait("t", 10)
    assert ended is not None
    assert ended.signal == signal.SIGUSR1


def spare(host: psutil.Process) -> list[psutil.Process]:
    """The supervisor that waits for the next command, and its PTY child."""
    return [p for p in host.children(recursive=True) if p.name() != fork_server.NAME.decode()]


def test_a_killed_spare_is_replaced(host: HostClient) -> None:
    process = host_process(host.data_dir)
    assert process is not None
    for attempt in range(3):
        family = wait_until(lambda: f if len(f := spare(process)) == 2 else [])
        family[attempt % 2].kill()
        wait_until(lambda family=family: not any(is_running(p.pid) for p in family))  # type: ignore[misc]
        ended, _ = run(host, f"t{attempt}", "exit 1")
        assert ended.code == 1
        host.forget(f"t{attempt}")


def test_a_killed_fork_server_is_replaced(host: HostClient) -> None:
    """Its supervisors become the host's children: their exits are reported as before, and so is what they leave."""
    process = host_process(host.data_dir)
    assert process is not None
    info = spawn(host, "t", "read line; exit 3")
    wait_until(lambda: len(process.children(recursive=True)) == 5)
    old = next(p for p in process.children() if p.name() == fork_server.NAME.decode())
    old.kill()
    for number in range(3):
        ended, _ = run(host, f"t{number}", "exit 1", timeout=60)
        assert ended.code == 1
        host.forget(f"t{number}")
    assert is_running(info.supervisor)
    host.write("t", b"\n")
    ended_later = host.wait("t", 20)
    assert ended_later is not None
    assert ended_later.code == 3
    wait_until(lambda: not is_running(info.supervisor))
    host.forget("t")
    wait_until(lambda: len(spare(process)) == 2)
    assert [p.name() for p in process.children()].count(fork_server.NAME.decode()) == 1


def test_a_host_with_nothing_to_do_ends_and_leaves_nothing(host_dir: Path) -> None:
    with bare_host(host_dir, "--idle-grace", "0.2") as process:
        with HostClient(host_dir) as client:
            assert client.ensure(start=False)
            ended, _ = run(client, "t", "true")
            children = psutil.Process(process.pid).children(recursive=True)
        # It keeps an exit that nobody has taken note of, also without a server.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.6)
        with HostClient(host_dir) as client:
            assert client.ensure(start=False)
            assert client.wait("t", 1) == ended
            client.forget("t")
        assert process.wait(10) == 0
    assert not (host_dir / "host.sock").exists()
    wait_until(lambda: not any(is_running(child.pid) for child in children))


def test_a_terminated_host_leaves_nothing_and_other_signals_do_not_end_it(host: HostClient) -> None:
    process = host_process(host.data_dir)
    assert process is not None
    info = spawn(host, "t", "sleep 1000")
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        process.send_signal(signum)
        process.children()[0].send_signal(signum)
        assert host.list()
    process.terminate()
    wait_until(lambda: host_process(host.data_dir) is None)
    assert not (host.data_dir / "host.sock").exists()
    wait_until(lambda: not is_running(info.pid) and not is_running(info.supervisor))


def test_a_host_that_is_told_to_stop_ends_when_it_is_empty(host: HostClient) -> None:
    process = host_process(host.data_dir)
    assert process is not None
    spawn(host, "t", "read line")
    host.stop_host()
    host.write("t", b"\n")
    assert host.wait("t", 10)
    host.forget("t")
    wait_until(lambda: host_process(host.data_dir) is None)
    assert host.ensure()


def test_a_data_directory_with_a_long_path_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / ("long" * 30)
    directory.mkdir()
    with HostClient(directory) as client:
        client.ensure()
        socket_path = (directory / "host.sock").readlink()
        assert len(os.fsencode(socket_path)) <= 100
        monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")  # A server from another login finds it all the same.
        with HostClient(directory) as other:
            assert other.ensure(start=False)
            assert other.instance == client.instance
        client.stop_host()
        wait_until(lambda: host_process(directory) is None)
    assert not socket_path.exists()
    assert not (directory / "host.sock").is_symlink()


def test_a_host_that_cannot_start_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "host.sock").mkdir()
    with HostClient(tmp_path) as client, pytest.raises(HostGone, match="did not start") as caught:
        client.ensure()
    assert "host.log" in caught.value.hint
    assert (tmp_path / "host.log").read_text()


def connect_raw(data_dir: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(data_dir / "host.sock"))
    connection.settimeout(10)
    return connection


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff\xff\xff",
        struct.pack(">I", 3) + b"{]}",
        protocol.encode({"op": "list", "seq": 1}),
        protocol.encode({"op": "hello", "seq": 1, "versions": "all"}),
    ],
)
def test_nonsense_closes_only_that_connection(host: HostClient, sent: bytes) -> None:
    with connect_raw(host.data_dir) as connection:
        connection.sendall(sent)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
        assert b'"terminals"' not in received
    assert host.list() == ()


def test_a_client_that_never_reads_is_cut_off_and_delays_nobody(host: HostClient) -> None:
    for number in range(20):
        spawn(host, f"{'t' * 190}{number}", "true")
    with connect_raw(host.data_dir) as connection:
        connection.sendall(protocol.encode({"op": "hello", "seq": 0, "versions": protocol.VERSIONS}))
        flood = protocol.encode({"op": "list", "seq": 1}) * 100
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(flood * 1000)
    begin = time.monotonic()
    assert len(host.list()) == 20
    assert time.monotonic() - begin < 2


class FakeHost:
    """A host of another version: answers hello, then every request with the same info."""

    def __init__(self, data_dir: Path, versions: tuple[int, int]) -> None:
        self.requests: list[protocol.Message] = []
        self._versions = versions
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(data_dir / "host.sock"))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, contextlib.suppress(OSError, protocol.ProtocolError):
            while (message := protocol.receive_one(connection)) is not None:
                self.requests.append(message)
                answer: protocol.Message = {"seq": message["seq"], "ok": True, "versions": self._versions}
                if message["op"] == "hello":
                    with contextlib.suppress(protocol.ProtocolError):
                        answer["version"] = protocol.negotiate(self._versions, message["versions"])
                else:
                    process = {"pid": 5, "pid_started": 6, "supervisor": 7, "supervisor_started": 8}
                    size = {"cursor": 0, "rows": 24, "cols": 80, "started_at": 1.5, "unheard_of": {"a": 1}}
                    answer["terminal"] = {"id": message["id"], "state": "running", "exit": None, **process, **size}
                connection.sendall(protocol.encode(answer))


@pytest.mark.parametrize(
    ("ours", "theirs", "spoken"), [((1, 1), (1, 1), 1), ((1, 2), (1, 1), 1), ((2, 3), (1, 2), 2), ((1, 1), (1, 2), 1)]
)
def test_neighbouring_versions_understand_each_other(
    tmp_path: Path, ours: tuple[int, int], theirs: tuple[int, int], spoken: int
) -> None:
    host = FakeHost(tmp_path, theirs)
    with HostClient(tmp_path, versions=ours) as client:
        assert client.ensure(start=False)
        assert client.version == spoken
        info = client.info("t")
        assert info is not None
        assert (info.pid, info.state, info.dropped) == (5, "running", 0)
        assert client.resize("t", 24, 80) is None  # The first hosts did not say where.
    assert [request["op"] for request in host.requests] == ["hello", "info", "resize"]
    host.close()


@pytest.mark.parametrize(("ours", "theirs"), [((2, 3), (1, 1)), ((1, 1), (2, 3))])
def test_versions_too_far_apart_are_told_and_no_second_host_is_started(
    tmp_path: Path, ours: tuple[int, int], theirs: tuple[int, int]
) -> None:
    host = FakeHost(tmp_path, theirs)
    with HostClient(tmp_path, versions=ours) as client, pytest.raises(HostGone, match="another version"):
        client.ensure()
    assert not (tmp_path / "host.lock").exists()
    host.close()


def test_a_client_of_the_future_is_answered_in_our_version(host_dir: Path, host: HostClient) -> None:
    with HostClient(host_dir, versions=(1, 2)) as newer, HostClient(host_dir, versions=(2, 3)) as too_new:
        assert newer.ensure(start=False)
        assert newer.list() == ()
        with pytest.raises(HostGone, match="another version"):
            too_new.ensure()
    assert host.list() == ()


def test_idle_terminals_cost_no_processor_and_little_memory(host: HostClient) -> None:
    for number in range(100):
        spawn(host, f"t{number}", "/bin/sleep", "1000", env=ENV)
    process = host_process(host.data_dir)
    assert process is not None
    supervisors = [psutil.Process(info.supervisor) for info in host.list()]
    switches = [p.num_ctx_switches().voluntary for p in (process, *supervisors)]
    end = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > end)
    after = [p.num_ctx_switches().voluntary for p in (process, *supervisors)]
    # It goes back to sleep after our last question; a timer of one second alone would wake it more often.
    assert sum(after) - sum(switches) <= 1
    private = [p.memory_full_info().uss for p in supervisors]
    assert sum(private) / len(private) < 1.5 * 1024 * 1024
