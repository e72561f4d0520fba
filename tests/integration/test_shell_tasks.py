"""Shell tasks on a real PTY host: output, progress, exits, stops, deadlines, secrets, servers that come and go."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bg_runner.runs.manager import BackgroundTaskManager
from bg_runner.runs.status import TaskRow, TaskStatus
from bg_runner.runs.store import JsonRunStore
from bg_runner.settings import Settings
from bg_runner.tasks.execution import Execution, Outcome
from bg_runner.tasks.models import BrowserTask, ShellTask
from bg_runner.tasks.shell import ShellTaskExecutor
from bg_runner.terminals.host_client import HostClient
from tests.conditions import wait_until

SECRET = "s3cret-value"


class NoBrowser:
    """These tests have shell tasks only."""

    def execute(self, task: BrowserTask, execution: Execution) -> Outcome:
        raise AssertionError

    def plan(self, task: BrowserTask, execution: Execution) -> BrowserTask:
        raise AssertionError


class Server:
    """What of a server runs shell tasks; several of them use one data directory, one after the other."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = Settings(data_dir=data_dir, stop_grace=1.0, shell="/bin/bash")
        self.host = HostClient(data_dir)
        executor = ShellTaskExecutor(self.settings, self.host)
        self.manager = BackgroundTaskManager(
            self.settings, JsonRunStore(data_dir), executor, NoBrowser(), lambda _session: {"TOKEN": SECRET}
        )
        self.manager.resume()

    def close(self) -> None:
        self.manager.close(5.0)
        self.host.close()

    def run(self, *tasks: ShellTask) -> str:
        session = self.manager.create_session()
        self.manager.save_task_list(session, list(tasks), None)
        self.manager.start_background_task(session)
        return session

    def status(self, session: str) -> TaskStatus:
        status = self.manager.get_task_status(session)
        assert status is not None
        return status

    def ended(self, session: str, timeout: float = 20) -> TaskStatus:
        wait_until(lambda: self.status(session).status not in ("queued", "running"), timeout)
        return self.status(session)

    def row(self, session: str) -> TaskRow:
        return self.ended(session).tasks[0]

    def log(self, session: str) -> bytes:
        row = self.status(session).tasks[0]
        return self.manager.log_reader(session, row.id).read(0, 10_000_000).data if row.status != "pending" else b""

    def prints(self, session: str, text: bytes) -> None:
        wait_until(lambda: text in self.log(session))


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Servers on one data directory; the last one in the list is alive. Ends the PTY host, too."""
    made = [Server(tmp_path)]
    yield made
    made[-1].close()
    last = HostClient(tmp_path)
    if last.ensure(start=False):
        os.kill(int(last.instance.partition("-")[0]), signal.SIGKILL)
    last.close()


def task(command: str, **fields: object) -> ShellTask:
    return ShellTask.model_validate({"id": "t", "command": command, **fields})


def next_server(servers: list[Server]) -> Server:
    servers[-1].close()
    servers.append(Server(servers[-1].settings.data_dir))
    return servers[-1]


def test_output_exit_code_and_last_lines(servers: list[Server]) -> None:
    session = servers[-1].run(task("echo one; printf '\\033[31mtwo\\033[0m\\n'; echo 中文; exit 3"))
    row = servers[-1].row(session)
    assert (row.status, row.exit_code) == ("failed", 3)
    assert row.error is not None
    assert row.error.code == "EXIT_NON_ZERO"
    assert row.output == ["one", "two", "中文"]
    assert servers[-1].log(session) == "one\r\n\x1b[31mtwo\x1b[0m\r\n中文\r\n".encode()


def test_a_command_has_a_terminal_its_directory_and_an_allow_listed_environment(
    servers: list[Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_ONLY", "private")
    command = 'test -t 0 && test -t 1 && tty; pwd; echo "$GREETING[$SERVER_ONLY]"'
    session = servers[-1].run(task(command, cwd=str(tmp_path), env={"GREETING": "hello"}))
    row = servers[-1].row(session)
    assert row.output[0].startswith("/dev/")
    assert row.output[1:] == [str(tmp_path), "hello[]"]


def test_a_secret_is_blanked_out_where_a_command_prints_it(servers: list[Server]) -> None:
    session = servers[-1].run(task('echo "it is $T"', env={"T": {"secret": "TOKEN"}}))
    assert servers[-1].row(session).output == ["it is " + "*" * len(SECRET)]
    assert SECRET.encode() not in servers[-1].log(session)


def test_a_secret_reaches_the_command_and_a_missing_one_fails_the_task(servers: list[Server]) -> None:
    session = servers[-1].run(
        task('test "${#T}" = 12 && test "${T%cret-value}" = s3', env={"T": {"secret": "TOKEN"}}),
        task("true", id="u", env={"T": {"secret": "NOBODY"}}),
    )
    rows = servers[-1].ended(session).tasks
    assert rows[0].status == "completed"
    assert rows[1].error is not None
    assert rows[1].error.code == "SECRET_MISSING"
    assert SECRET not in "".join(path.read_text() for path in servers[-1].settings.data_dir.glob("*.json"))


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"cwd": "/no/such/place"}, "CWD_MISSING"), ({"shell": "/no/such/shell"}, "SHELL_MISSING")],
)
def test_a_place_that_is_gone_fails_the_task_only(servers: list[Server], fields: dict[str, str], code: str) -> None:
    session = servers[-1].run(task("true", **fields), task("true", id="u"))
    rows = servers[-1].ended(session).tasks
    assert rows[0].error is not None
    assert rows[0].error.code == code
    assert rows[1].status == "completed"


def test_progress_is_read_from_the_output(servers: list[Server], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    session = servers[-1].run(task(f"echo 45%; while ! test -e {gate}; do sleep 0.05; done; echo 80%"))
    wait_until(lambda: servers[-1].status(session).current_task_progress == 45)
    gate.touch()
    assert servers[-1].row(session).progress == 100


def named(root: psutil.Process, name: str) -> list[psutil.Process]:
    """The descendants of `root` that call themselves `name`."""
    found = []
    for process in root.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.cmdline()[:1] == [name]:
                found.append(process)
    return found


def test_stop_ends_children_that_hide(servers: list[Server], tmp_path: Path) -> None:
    hide = "exec -a hidden-child sleep 1000"
    command = (
        f"setsid bash -c '{hide}' & nohup bash -c '{hide}' >/dev/null & "
        f"(env -i setsid bash -c '{hide}' &) & bash -c 'trap \"\" TERM; while :; do sleep 0.1; done' & "
        f"echo ready; wait"
    )
    session = servers[-1].run(task(command))
    servers[-1].prints(session, b"ready")
    supervisor = psutil.Process(servers[-1].host.list()[0].supervisor)
    wait_until(lambda: len(named(supervisor, "hidden-child")) == 3)
    hidden, tree = named(supervisor, "hidden-child"), supervisor.children(recursive=True)

    servers[-1].manager.stop_task(session)
    status = servers[-1].ended(session)

    assert status.status == "stopped"
    assert status.receipt is not None
    assert status.receipt.survivors == []
    assert {process.pid for process in hidden} <= set(status.receipt.ended)
    assert not [process for process in tree if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_a_command_over_its_time_is_ended_and_the_next_one_runs(servers: list[Server]) -> None:
    session = servers[-1].run(task("sleep 1000", timeout=0.3), task("true", id="u"))
    rows = servers[-1].ended(session).tasks
    assert rows[0].error is not None
    assert rows[0].error.code == "TASK_TIMEOUT"
    assert rows[1].status == "completed"


def test_killed_from_outside(servers: list[Server]) -> None:
    row = servers[-1].row(servers[-1].run(task("kill -SEGV $$")))
    assert row.error is not None
    assert (row.error.code, row.signal) == ("KILLED_BY_SIGNAL", signal.SIGSEGV)


def test_a_command_does_not_notice_that_the_server_left(servers: list[Server], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    session = servers[-1].run(task(f"echo before; while ! test -e {gate}; do sleep 0.05; done; echo after; exit 4"))
    servers[-1].prints(session, b"before")
    server = next_server(servers)
    assert server.status(session).status == "running"
    gate.touch()
    row = server.row(session)
    assert (row.exit_code, row.attempt, row.output) == (4, 1, ["before", "after"])


def test_an_exit_while_no_server_lived_is_not_lost(servers: list[Server], tmp_path: Path) -> None:
    session = servers[-1].run(task(f"echo $$ > {tmp_path}/pid; sleep 0.3; exit 5"), task("echo next", id="u"))
    wait_until((tmp_path / "pid").exists)
    servers[-1].close()
    pid = int(wait_until((tmp_path / "pid").read_text))
    wait_until(lambda: not psutil.pid_exists(pid))
    servers.append(Server(tmp_path))
    rows = servers[-1].ended(session).tasks
    assert (rows[0].exit_code, rows[0].attempt) == (5, 1)
    assert rows[1].output == ["next"]


@pytest.mark.parametrize(("after_crash", "status"), [("rerun", "completed"), ("skip", "skipped"), ("ask", "asking")])
def test_a_killed_host_interrupts_its_commands(
    servers: list[Server], tmp_path: Path, after_crash: str, status: str
) -> None:
    first = tmp_path / "first"
    command = f"if test -e {first}; then exit 0; fi; echo $$ > {first}; exec sleep 1000"
    session = servers[-1].run(task(command, after_crash=after_crash))
    wait_until(lambda: first.exists() and first.read_text())
    os.kill(int(servers[-1].host.instance.partition("-")[0]), signal.SIGKILL)
    wait_until(lambda: servers[-1].status(session).tasks[0].status == status, 20)
    assert not psutil.pid_exists(int(first.read_text()))


def test_everything_is_forgotten_and_nothing_is_left(servers: list[Server]) -> None:
    session = servers[-1].run(*(task("echo hi", id=f"t{number}") for number in range(20)))
    assert servers[-1].ended(session).completed_tasks == 20
    wait_until(lambda: servers[-1].host.list() == ())
    assert servers[-1].manager.cleanup_old_tasks(0) == 1
    assert list((servers[-1].settings.data_dir / "terminals").iterdir()) == []
