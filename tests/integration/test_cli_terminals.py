"""The commands for terminals against a real server; `attach` has a file of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from bg_runner.cli import run as run_cli
from bg_runner.terminals.host_client import HostClient
from tests.conditions import wait_until
from tests.integration.hosts import spawn
from tests.integration.server import PROJECT, ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path_factory.mktemp("cli") / "data", stop_grace=1).start()
    yield made
    made.close()


class Cli:
    """`bg-runner COMMAND --data-dir ... ARGUMENTS` in this process."""

    def __init__(self, data_dir: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        self._data_dir = data_dir
        self._captured = capfdbinary
        self.out = self.err = ""

    def __call__(self, command: str, *arguments: str) -> int:
        status = run_cli([command, "--data-dir", str(self._data_dir), *arguments])
        self.out, self.err = (text.decode() for text in self._captured.readouterr())
        assert "Traceback" not in self.err
        return status

    def new(self, *arguments: str) -> str:
        """Open a terminal; its id."""
        assert self("new", *arguments) == 0
        assert str(uuid.UUID(self.out.strip())) == self.out.strip()
        return self.out.strip()


@pytest.fixture
def cli(server: ServerProcess, capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    return Cli(server.data_dir, capfdbinary)


def describe(server: ServerProcess, terminal_id: str) -> Any:
    return server.client.get(f"/api/terminals/{terminal_id}").json()["data"]


def wait_for_end(server: ServerProcess, terminal_id: str) -> Any:
    wait_until(lambda: describe(server, terminal_id)["status"] != "running", 30)
    return describe(server, terminal_id)


def text_of(server: ServerProcess, terminal_id: str) -> str:
    return str(server.client.get(f"/api/terminals/{terminal_id}/screen").json()["data"]["text"]).rstrip()


def row_of(table: str, terminal_id: str) -> str:
    return next(line for line in table.splitlines() if line.startswith(terminal_id[:8]))


def test_new_starts_here_or_there_with_its_arguments_as_they_are(
    cli: Cli, server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = cli.new("--", "printf", "[%s]", "two words", "$HOME", "'")
    assert wait_for_end(server, words)["cwd"] == str(tmp_path)
    assert text_of(server, words) == "[two words][$HOME][']"
    line = cli.new("--name", "a line", "--group", "tests", "--cwd", "/", "--shell", "/bin/sh", "--", "echo one && pwd")
    ended = wait_for_end(server, line)
    assert (ended["name"], ended["group"], ended["shell"], ended["cwd"]) == ("a line", "tests", "/bin/sh", "/")
    assert text_of(server, line) == "one\n/"
    assert cli("new", "--cwd", "/no/such/directory", "--", "true") == 1
    assert cli.err.startswith("CWD_MISSING: ")


def test_ls_shows_what_there_is(cli: Cli, server: ServerProcess) -> None:
    running = cli.new("--name", "构建", "--", "sleep 600")
    ended = cli.new("--name", "short", "--", "exit 5")
    wait_for_end(server, ended)
    assert cli("ls") == 0
    heading, *_ = cli.out.splitlines()
    assert heading.split() == ["ID", "NAME", "STATE", "CLIENTS", "ACTIVE", "SIZE", "WHAT"]
    assert re.search(r"构建 +running +0 +\d+s +80x24 +sleep 600$", row_of(cli.out, running))
    assert re.search(r"short +exited 5 ", row_of(cli.out, ended))
    assert cli("ls", "--json") == 0
    assert {running, ended} <= {one["terminalId"] for one in json.loads(cli.out)}


def test_what_a_program_says_cannot_write_on_the_list(cli: Cli, server: ServerProcess) -> None:
    terminal_id = cli.new("--", "echo '\x1b[31m'" + "x" * 100)
    wait_for_end(server, terminal_id)
    assert cli("ls") == 0
    assert "\x1b" not in cli.out
    assert row_of(cli.out, terminal_id).endswith("echo '?[31m'" + "x" * 27 + "…")


def test_an_id_may_be_its_beginning_or_a_name(cli: Cli, server: ServerProcess) -> None:
    one, two = cli.new("--name", "twin", "--", "sleep 600"), cli.new("--name", "twin", "--", "sleep 600")
    assert cli("kill", "twin") == 1
    assert cli.err.startswith("TERMINAL_NOT_FOUND: 2 terminals")
    assert one in cli.err
    assert two in cli.err
    assert cli("kill", one[:13].upper()) == 0
    assert describe(server, one)["status"] == "exited"
    assert cli("kill", "nobody") == 1
    assert "bg-runner ls" in cli.err
    assert cli("kill", "") == 1
    assert cli("kill", two, "--remove") == 0
    assert cli("kill", one, "--remove") == 0
    assert cli.out == f"{one}  processes ended: 0\n"
    assert cli("kill", one) == 1


def test_kill_with_a_signal(cli: Cli, server: ServerProcess) -> None:
    first, second = (cli.new("--", "exec sleep 600") for _ in range(2))
    assert cli("kill", "--signal", "INT", first, second) == 0
    assert cli.out.splitlines() == [f"{one}  processes ended: 1" for one in (first, second)]
    assert [describe(server, one)["signal"] for one in (first, second)] == [2, 2]
    assert cli("kill", "--signal", "NONSENSE", cli.new("--", "exec sleep 600")) == 1
    assert cli.err.startswith("INVALID_FIELD: ")


def test_share_links_are_made_listed_and_revoked(cli: Cli, server: ServerProcess) -> None:
    terminal_id = cli.new("--", "echo shown; sleep 600")
    assert cli("share", terminal_id, "--list") == 0
    assert cli.out == "No links.\n"
    assert cli("share", terminal_id, "--expires", "2h", "--label", "for Ann") == 0
    url = cli.out.strip()
    assert url.startswith(f"{server.url}/share/")
    assert cli.err.startswith("view, until ")
    assert httpx.get(url, follow_redirects=False).is_redirect
    assert cli("share", terminal_id, "--control") == 0
    assert cli.err.startswith("control, until ")
    assert cli("share", terminal_id, "--list") == 0
    rows = cli.out.splitlines()[1:]
    assert sorted(re.split(" {2,}", row)[1] for row in rows) == ["control", "view"]
    view = next(row for row in rows if row.endswith("for Ann"))
    assert cli("share", terminal_id, "--revoke", view.split()[0]) == 0
    assert not httpx.get(url, follow_redirects=False).is_redirect
    assert cli("share", terminal_id, "--revoke", view.split()[0]) == 1
    assert cli.err.startswith("SHARE_UNKNOWN: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("share", "x", "--expires", "soon"),
        ("share", "x", "--expires", "0h"),
        ("share", "x", "--list", "--revoke", "y"),
        ("attach", "x", "--detach-key", "F12"),
        ("attach", "x"),
        ("kill",),
        ("rec",),
    ],
)
def test_misuse_is_two(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments) == 2
    assert "Error: " in cli.err


def test_rec_is_what_asciinema_shows(cli: Cli, server: ServerProcess, tmp_path: Path) -> None:
    terminal_id = cli.new("--name", "a recording", "--", r"printf '\033[32mgreen\033[0m 中文\n'; seq 3000")
    wait_for_end(server, terminal_id)
    with (tmp_path / "x.cast").open("wb") as file:
        command = [sys.executable, "-m", "bg_runner", "rec", terminal_id, "--data-dir", str(server.data_dir)]
        subprocess.run(command, cwd=PROJECT, stdout=file, check=True, timeout=60)
    asciinema = str(Path(sys.executable).with_name("asciinema"))
    environment = {"ASCIINEMA_CONFIG_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    shown = subprocess.run(
        [asciinema, "cat", str(tmp_path / "x.cast")], env=environment, capture_output=True, check=True, timeout=60
    )
    lines = ["\x1b[32mgreen\x1b[0m 中文", *map(str, range(1, 3001))]
    assert shown.stdout.decode() == "".join(f"{line}\r\n" for line in lines)


def test_stop_terminals_with_and_without_a_server(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BG_RUNNER_STOP_GRACE", "1")
    server = ServerProcess(tmp_path / "data", stop_grace=1).start()
    cli = Cli(server.data_dir, capfdbinary)
    try:
        first, second = cli.new("--", "sleep 600 & sleep 600"), cli.new("--", "sleep 600")
        assert cli("stop", "--terminals") == 0
        assert sorted(line.split()[0] for line in cli.out.splitlines()) == sorted([first, second])
        assert {describe(server, one)["status"] for one in (first, second)} == {"exited"}
        assert cli("stop", "--terminals") == 0
        assert cli.out == "No terminal runs.\n"

        third = cli.new("--", f"trap '' TERM HUP; echo $$ > {tmp_path}/pid; while :; do sleep 1; done")
        pid = int(wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
        with HostClient(server.data_dir) as host:
            host.ensure(start=False)
            spawn(host, "task-of-somebody", "sleep", "600")
            assert server.terminate() == 0
            assert cli("stop", "--terminals") == 0
            assert re.fullmatch(rf"{third}  processes ended: \d+\n", cli.out)
            assert not psutil.pid_exists(pid)
            assert [one.state for one in host.list() if one.id == "task-of-somebody"] == ["running"]
        assert cli("stop", "--terminals") == 0
        assert cli.out == "No terminal runs.\n"
        server.start()
        ended = describe(server, third)
        assert (ended["status"], ended["signal"]) == ("exited", 9)
    finally:
        server.close()


def test_stop_terminals_together_with_runs(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    cli = Cli(tmp_path / "data", capfdbinary)
    assert cli("stop", "--terminals", "--all") == 0
    assert cli.out == "No terminal runs.\nNothing runs.\n"


@pytest.mark.parametrize("arguments", [("ls",), ("new",), ("kill", "x"), ("share", "x"), ("rec", "x")])
def test_without_a_server_it_says_so(
    arguments: tuple[str, ...], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = Cli(tmp_path / "data", capfdbinary)
    assert cli(*arguments) == 1
    assert cli.err.startswith("SERVER_NOT_RUNNING: ")
