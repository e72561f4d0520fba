"""The command line against a real server."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from bg_runner import __version__
from bg_runner.cli import run as run_cli
from tests.conditions import wait_until
from tests.integration.server import PROJECT, ServerProcess

COMMANDS = (
    *("serve", "run", "status", "stop", "logs", "link", "secret", "cleanup", "doctor"),
    *("ls", "new", "attach", "kill", "share", "rec"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> Iterator[ServerProcess]:
    data_dir = tmp_path_factory.mktemp("cli") / "data"
    made = ServerProcess(data_dir, stop_grace=1, chromium=chromium_path)
    made.start()
    yield made
    made.close()


class Cli:
    """`bg-runner ARGUMENTS --data-dir ...` in this process."""

    def __init__(self, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._data_dir = data_dir
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        status = run_cli([*arguments, "--data-dir", str(self._data_dir)])
        self.out, self.err = self._capsys.readouterr()
        assert "Traceback" not in self.err
        return status


@pytest.fixture
def cli(server: ServerProcess, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(server.data_dir, capsys)


@pytest.fixture
def nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line where no server runs."""
    return Cli(tmp_path / "data", capsys)


def shell(command: str, **fields: object) -> dict[str, object]:
    return {"kind": "shell", "command": command, "shell": "/bin/bash", **fields}


def write(path: Path, content: Any) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def session_of(output: str) -> str:
    found = re.search(r"/s/([0-9a-f-]{36})", output)
    assert found is not None, output
    return found[1]


def run_process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bg_runner", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False, **options)


# --- help ----------------------------------------------------------------------------------------------------


def test_version_and_help() -> None:
    assert run_process("--version").stdout == f"bg-runner, version {__version__}\n"
    shown = run_process("--help")
    assert shown.returncode == 0
    assert all(re.search(rf"^  {command} ", shown.stdout, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: bg-runner {command}")
    assert len(shown.splitlines()) > 4


@pytest.mark.parametrize("arguments", [["fly"], ["status", "--fly"], ["run"], ["serve", "--port", "99999"], ["logs"]])
def test_misuse_is_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(arguments) == 2
    assert "Error: " in capsys.readouterr().err


# --- run -----------------------------------------------------------------------------------------------------


def test_run_wait_is_zero_when_all_is_well(cli: Cli, tmp_path: Path) -> None:
    listed = write(tmp_path / "list.json", [shell("echo one", name="first"), shell("echo two", name="second")])
    assert cli("run", listed, "--wait") == 0
    assert "completed: 2 of 2 tasks completed" in cli.out
    assert [line.split("  ")[0] for line in cli.err.splitlines()] == ["✓ first", "✓ second"]


def test_run_wait_is_one_when_a_task_failed(cli: Cli, tmp_path: Path) -> None:
    listed = write(tmp_path / "list.json", {"tasks": [shell("exit 3", name="bad"), shell("true", name="good")]})
    assert cli("run", listed, "--wait") == 1
    assert "1 of 2 tasks completed, 1 failed" in cli.out
    assert "EXIT_NON_ZERO" in cli.err
    session = session_of(cli.out)
    assert cli("status", "--session", session) == 0
    assert "✗ bad" in cli.out
    assert "[completed]" in cli.out


def test_run_without_wait_comes_back_at_once(cli: Cli, tmp_path: Path, server: ServerProcess) -> None:
    listed = write(tmp_path / "list.json", [shell("sleep 60")])
    assert cli("run", listed) == 0
    session = session_of(cli.out)
    assert cli.out.strip() == f"{server.url}/s/{session}"
    assert cli("stop", "--session", session) == 0
    assert "being stopped" in cli.out
    assert server.ended(session)["status"] == "stopped"


def test_run_reads_standard_input_and_uses_a_workspace(
    cli: Cli, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = server.session(shell("echo old"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps([shell("echo new")]).encode())))
    assert cli("run", "-", "--wait", "--session", session) == 0
    assert server.status(session)["tasks"][0]["output"] == ["new"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"jobs": []}', "neither a list of tasks"),
        ("[]", "NO_TASKS_CHOSEN"),
        ('[{"kind": "shell"}]', "tasks.0.command"),
        ('[{"kind": "shell", "command": "x", "cwd": "/no/such"}]', "CWD_MISSING"),
    ],
)
def test_a_list_that_is_refused_is_two(cli: Cli, tmp_path: Path, content: str, says: str) -> None:
    assert cli("run", write(tmp_path / "list.json", content), "--wait") == 2
    assert says in cli.err


def test_ctrl_c_leaves_the_run_going(server: ServerProcess, tmp_path: Path) -> None:
    listed = write(tmp_path / "list.json", [shell("sleep 60", name="long")])
    command = [sys.executable, "-m", "bg_runner", "run", listed, "--wait", "--data-dir", str(server.data_dir)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        session = session_of(process.stdout.readline())
        server.wait_for_task(session, 0, "running")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        said = process.stderr.read()
    assert f"The run goes on. To end it: bg-runner stop --session {session}" in said
    assert "Traceback" not in said
    assert server.status(session)["status"] == "running"
    server.call("POST", "stop", session)
    server.ended(session)


def test_waiting_outlives_a_restart_of_the_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = ServerProcess(tmp_path / "data").start()
    try:
        gate = tmp_path / "gate"
        listed = write(tmp_path / "list.json", [shell(f"until test -e {gate}; do sleep 0.05; done", name="held")])
        statuses: list[int] = []
        waiting = threading.Thread(
            target=lambda: statuses.append(run_cli(["run", listed, "--wait", "--data-dir", str(server.data_dir)]))
        )
        waiting.start()
        wait_until(lambda: any(run["task_status"]["status"] == "running" for run in server.call("GET", "runs")["runs"]))
        server.kill()
        server.environment["BG_RUNNER_PORT"] = "0"  # it comes back under another address
        server.start()
        gate.touch()
        waiting.join(60)
        assert statuses == [0]
        shown = capsys.readouterr()
        assert "The server is away" in shown.err
        assert "1 of 1 tasks completed" in shown.out
    finally:
        server.close()


# --- looking -------------------------------------------------------------------------------------------------


def test_status_lists_what_runs(cli: Cli, server: ServerProcess) -> None:
    session = server.run(shell("echo 40%; sleep 60", name="long", id="long"))
    server.wait_for_task(session, 0, "running")
    assert cli("status") == 0
    assert f"/s/{session}" in cli.out
    assert "0/1" in cli.out
    assert cli("status", "--json") == 0
    assert session in [run["session_id"] for run in json.loads(cli.out)]
    assert cli("status", "--session", session, "--json") == 0
    assert json.loads(cli.out)["tasks"][0]["name"] == "long"
    server.call("POST", "stop", session)
    server.ended(session)


def test_logs_by_name_and_id(cli: Cli, server: ServerProcess) -> None:
    session = server.run(
        shell("echo hällo", name="greet", id="one"), shell("true", name="twin"), shell("true", name="twin")
    )
    server.ended(session)
    for task in ("greet", "one"):
        assert cli("logs", task, "--session", session) == 0
        assert cli.out.replace("\r", "") == "hällo\n"
    for task in ("nobody", "twin"):
        assert cli("logs", task, "--session", session) == 1
        assert "TASK_UNKNOWN" in cli.err


def test_logs_follow_to_the_end(cli: Cli, server: ServerProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    session = server.run(shell(f"echo begin; until test -e {gate}; do sleep 0.05; done; echo end", id="slow"))
    server.wait_for_task(session, 0, "running")
    timer = threading.Timer(0.5, gate.touch)
    timer.start()
    assert cli("logs", "slow", "--follow", "--session", session) == 0
    assert cli.out.split() == ["begin", "end"]
    timer.join()


def test_a_workspace_must_be_clear(cli: Cli, server: ServerProcess) -> None:
    assert cli("logs", "x") == 2
    assert "Name the workspace with --session" in cli.err
    assert cli("status", "--session", "42") == 1
    assert "INVALID_SESSION" in cli.err
    one, two = server.run(shell("sleep 60")), server.run(shell("sleep 60"))
    assert cli("stop") == 2
    assert one in cli.err
    assert two in cli.err
    assert cli("stop", "--all") == 0
    assert {server.ended(session)["status"] for session in (one, two)} == {"stopped"}
    assert cli("stop", "--all") == 0
    assert cli.out == "Nothing runs.\n"
    assert cli("stop", "--all", "--session", one) == 2


def test_a_link_logs_in(cli: Cli, server: ServerProcess) -> None:
    assert cli("link") == 0
    url = cli.out.strip()
    assert url.startswith(f"{server.url}/login?code=")
    assert httpx.post(f"{server.url}/login", data={"code": url.partition("code=")[2]}).status_code == 303


def test_a_link_in_a_terminal_shows_a_qr_code(server: ServerProcess) -> None:
    import ptyprocess

    command = [sys.executable, "-m", "bg_runner", "link", "--data-dir", str(server.data_dir)]
    process = ptyprocess.PtyProcess.spawn(command, cwd=str(PROJECT), dimensions=(60, 160))
    shown = b""
    try:
        while True:
            shown += process.read(65536)
    except EOFError:
        process.wait()
    assert shown.decode().count("█") > 100


def test_secrets(cli: Cli, server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    session = server.session()
    monkeypatch.setattr("sys.stdin", io.StringIO("a value\n"))
    assert cli("secret", "set", "KEY", "--stdin", "--session", session) == 0
    assert cli("secret", "list", "--session", session) == 0
    assert cli.out == "KEY\n"
    assert cli("secret", "delete", "KEY", "--session", session) == 0
    assert cli("secret", "delete", "KEY", "--session", session) == 1
    assert "NOT_FOUND" in cli.err
    assert "a value" not in server.log


def test_cleanup(cli: Cli, server: ServerProcess) -> None:
    session = server.run(shell("true"))
    server.ended(session)
    assert cli("cleanup", "--older-than", "0") == 0
    assert re.fullmatch(r"Runs removed: [1-9]\d*\n", cli.out)
    assert server.status(session) is None


def test_doctor_with_a_server(cli: Cli, server: ServerProcess) -> None:
    assert cli("doctor") == 0
    assert f"✓ Running server: {server.url}" in cli.out
    assert "✓ Browser: " in cli.out
    assert "✓ PTY host: " in cli.out


def test_a_wrong_token_is_a_clear_error(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BG_RUNNER_TOKEN", "not-the-token-of-the-server")
    assert cli("status") == 1
    assert cli.err.startswith("UNAUTHORIZED: ")
    assert "not-the-token" not in cli.err


# --- without a server ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [("status",), ("stop",), ("logs", "x"), ("link",), ("cleanup",), ("secret", "list")]
)
def test_without_a_server_it_says_so(nowhere: Cli, arguments: tuple[str, ...]) -> None:
    assert nowhere(*arguments) == 1
    assert nowhere.err.startswith("SERVER_NOT_RUNNING: no server uses ")
    assert "bg-runner serve" in nowhere.err


def test_run_without_a_server_is_two(nowhere: Cli, tmp_path: Path) -> None:
    assert nowhere("run", write(tmp_path / "list.json", [shell("true")])) == 2
    assert "SERVER_NOT_RUNNING" in nowhere.err


def test_doctor_without_a_server(nowhere: Cli, monkeypatch: pytest.MonkeyPatch, chromium_path: str) -> None:
    monkeypatch.setenv("BG_RUNNER_CHROMIUM", chromium_path)
    assert nowhere("doctor") == 0
    for name in ("Running server", "Python", "Data directory", "Disk space", "Browser", "PTY host", "tmux", "screen"):
        assert f"✓ {name}: " in nowhere.out


def test_doctor_names_what_mends_a_missing_browser(nowhere: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BG_RUNNER_CHROMIUM", "/no/such/browser")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", "/nowhere")
    status = nowhere("doctor")
    if "✓ Browser: " in nowhere.out:
        pytest.skip("this machine has a Chrome in its usual place")
    assert status == 1
    assert re.search(r"✗ Browser: .*\n    Run: \S+", nowhere.out)


def test_stop_all_ends_what_an_ended_server_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = ServerProcess(tmp_path / "data", stop_grace=1).start()
    try:
        cli = Cli(server.data_dir, capsys)
        session = server.run(shell(f"echo $$ > {tmp_path}/pid; sleep 300"), shell(f"touch {tmp_path}/never"))
        pid = int(wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
        assert server.terminate() == 0
        assert psutil.pid_exists(pid)
        assert cli("stop", "--all") == 0
        assert re.search(rf"{session}  stopped; processes ended: [1-9]", cli.out)
        wait_until(lambda: not psutil.pid_exists(pid))
        assert cli("stop", "--all") == 0
        assert cli.out == "Nothing runs.\n"
        server.start()
        assert server.status(session)["status"] == "stopped"
        assert not (tmp_path / "never").exists()
    finally:
        server.close()
