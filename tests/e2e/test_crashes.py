"""The server is killed at any moment: nothing is done twice, nothing is lost, the page goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.conditions import wait_until
from tests.integration.server import ServerProcess


class _Gate(BaseHTTPRequestHandler):
    """A page that counts its visits and holds each one back until the test opens the gate."""

    visits: list[str]
    opened: threading.Event

    def do_GET(self) -> None:
        self.visits.append(self.path)
        self.opened.wait(30)
        body = b"<title>held</title><h1 id=done>done</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except BrokenPipeError:
            return  # the browser that asked was killed

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Site:
    """A slow site on this machine."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.opened = threading.Event()
        handler = type("Handler", (_Gate,), {"visits": self.visits, "opened": self.opened})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.opened.set()
        self._server.shutdown()
        self._server.server_close()

    def pages(self) -> int:
        return sum(path == "/page" for path in self.visits)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path / "data", stop_grace=1)
    made.start()
    yield made
    made.close()


def shell(command: str, **fields: object) -> dict[str, object]:
    return {"kind": "shell", "command": command, "shell": "/bin/bash", **fields}


def browse(url: str, **fields: object) -> dict[str, object]:
    steps = [
        {"type": "navigate", "url": f"{url}/page", "timeout": 30_000},
        {"type": "waitForElement", "selectors": ["#done"]},
    ]
    return {"kind": "browser", "path": steps, **fields}


def test_four_tasks_outlive_the_tab_and_the_server(
    server: ServerProcess, site: Site, browser: Browser, tmp_path: Path
) -> None:
    """Seed 004's T0 to T3, with a SIGKILL of the server in a shell task and one in a browser task."""
    gate = tmp_path / "gate"
    counted = f"echo x >> {tmp_path}/{{}}"
    session = server.session(
        shell(counted.format("first"), name="first"),
        shell(f"echo began >> {tmp_path}/second; while ! test -e {gate}; do sleep 0.05; done", name="second"),
        browse(site.url, name="third"),
        shell(counted.format("fourth"), name="fourth"),
    )
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{server.url}/login?code={_code(server)}")
    page.wait_for_url(lambda url: "/login" not in url)
    state = context.storage_state()
    page.goto(f"{server.url}/s/{session}")
    page.locator("#start-background-button").click()  # T0
    server.wait_for_task(session, 1, "running")
    context.close()

    server.kill()  # T1: in the middle of a shell task
    gate.touch()
    server.start()
    server.wait_for_task(session, 2, "running")
    wait_until(lambda: site.pages() == 1)
    status = server.status(session)
    assert (status["completed_tasks"], status["total_tasks"], status["progress_percent"]) == (2, 4, 50)

    server.kill()  # in the middle of a browser task
    server.start()
    context = browser.new_context(storage_state=state)  # T2: another device, the same address
    page = context.new_page()
    page.goto(f"{server.url}/s/{session}")
    expect(page.locator("#background-task-status")).to_contain_text("2 / 4")
    wait_until(lambda: site.pages() == 2)
    site.opened.set()

    expect(page.locator("#background-task-status")).to_contain_text("4 / 4", timeout=30_000)  # T3
    expect(page.locator("#background-task-status")).to_contain_text("Background tasks all complete!")
    context.close()
    status = server.ended(session)
    assert (status["status"], status["completed_tasks"], status["progress_percent"]) == ("completed", 4, 100)
    assert [row["attempt"] for row in status["tasks"]] == [1, 1, 2, 1]
    for name, text in {"first": "x\n", "second": "began\n", "fourth": "x\n"}.items():
        assert (tmp_path / name).read_text() == text


def _code(server: ServerProcess) -> str:
    answer = server.client.post("/api/link", json={})
    assert answer.is_success, answer.text
    return str(answer.json()["url"]).rpartition("code=")[2]


def test_every_number_arrives_once_though_the_server_is_killed_again_and_again(server: ServerProcess) -> None:
    count = "import time\nfor i in range(1, 200001):\n print(i)\n i % 1000 or time.sleep(0.06)"
    session = server.run(shell(f"python3 -c '{count}'", id="count"))
    server.wait_for_task(session, 0, "running")
    chance = random.Random(4)
    kills = 0
    while server.status(session)["status"] == "running" and kills < 25:
        waited = threading.Event()
        waited.wait(chance.uniform(0.005, 0.5))
        server.kill()
        kills += 1
        server.start()
    row = server.ended(session)["tasks"][0]
    assert (row["status"], row["attempt"]) == ("completed", 1)
    text = server.client.get(
        "/api/background_task/tasks/count/log", params={"session_id": session, "download": "1"}
    ).text
    assert [int(line) for line in text.split()] == list(range(1, 200_001))
    assert kills > 1


@pytest.mark.parametrize(("after_crash", "outcome"), [("skip", "skipped"), ("ask", "asking")])
def test_an_interrupted_browser_task_follows_after_crash(
    server: ServerProcess, site: Site, after_crash: str, outcome: str
) -> None:
    session = server.run(browse(site.url, id="held", after_crash=after_crash), shell("echo next"))
    wait_until(lambda: site.pages() == 1, 30)
    server.kill()
    server.start()
    server.wait_for_task(session, 0, outcome)
    if outcome == "asking":
        site.opened.set()
        server.call("POST", "answer", session, task_id="held", answer="rerun")
    status = server.ended(session)
    assert status["tasks"][1]["status"] == "completed"
    assert site.pages() == (2 if outcome == "asking" else 1)


def test_sigterm_leaves_a_state_that_resumes_and_says_what_goes_on(server: ServerProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    session = server.run(shell(f"while ! test -e {gate}; do sleep 0.05; done"), shell("echo end"))
    server.wait_for_task(session, 0, "running")
    assert server.terminate() == 0
    assert "bg-runner stop --all" in server.log
    gate.touch()
    server.start()
    assert server.ended(session)["completed_tasks"] == 2


def test_no_browser_is_left_when_the_server_is_killed(server: ServerProcess, site: Site) -> None:
    server.run(browse(site.url))
    wait_until(lambda: site.pages() == 1, 30)
    assert server.process is not None
    tree = [p for p in psutil.Process(server.process.pid).children(recursive=True) if _is_browser(p)]
    assert tree
    server.kill()
    gone, alive = psutil.wait_procs(tree, 10)
    assert not alive
    assert len(gone) == len(tree)


def _is_browser(process: psutil.Process) -> bool:
    try:
        return "chrom" in process.name() or "node" in process.name()
    except psutil.NoSuchProcess:
        return False


def test_ctrl_c_does_not_fail_a_browser_task(server: ServerProcess, site: Site) -> None:
    session = server.run(browse(site.url))
    wait_until(lambda: site.pages() == 1, 30)
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGINT)  # what a terminal does
    assert server.process.wait(10) == 0
    server.start()
    site.opened.set()
    row = server.ended(session)["tasks"][0]
    assert (row["status"], row["attempt"]) == ("completed", 2)


def test_a_failing_task_and_one_that_hides_its_children(server: ServerProcess, tmp_path: Path) -> None:
    mark = tmp_path / "pids"
    child = f"bash -c 'echo $$ >> {mark}; exec sleep 1000'"
    hidden = f"setsid {child} & (env -i setsid nohup {child} &) ; sleep 1000"
    session = server.run(shell("exit 7"), shell(hidden), shell("echo never"))
    wait_until(lambda: mark.exists() and len(mark.read_text().split()) == 2, 30)
    server.call("POST", "stop", session)
    status = server.ended(session)
    assert [row["status"] for row in status["tasks"]] == ["failed", "stopped", "pending"]
    assert status["receipt"]["survivors"] == []
    assert not [pid for pid in map(int, mark.read_text().split()) if psutil.pid_exists(pid)]


def test_two_workspaces_run_at_once_and_know_nothing_of_each_other(server: ServerProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    one = server.run(shell(f"while ! test -e {gate}; do sleep 0.05; done; echo one"))
    two = server.run(shell("echo two"))
    assert server.ended(two)["tasks"][0]["output"] == ["two"]
    assert server.status(one)["status"] == "running"
    gate.touch()
    assert server.ended(one)["tasks"][0]["output"] == ["one"]


def test_a_server_without_any_browser_still_runs_shell_tasks(tmp_path: Path, site: Site) -> None:
    server = ServerProcess(tmp_path / "data", chromium="/no/such/browser")
    server.environment |= {
        "PATH": str(tmp_path),
        "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path),
    }
    try:
        server.start()
        session = server.run(browse(site.url), shell("echo works"))
        status = server.ended(session)
        assert [row["status"] for row in status["tasks"]] == ["failed", "completed"]
        assert status["tasks"][0]["error"]["code"] == "NO_BROWSER"
        doctor = server.client.get("/api/doctor").text
        assert "install" in doctor
    finally:
        server.close()


def test_a_second_server_is_refused(server: ServerProcess) -> None:
    second = subprocess.run(
        [sys.executable, "main.py", "--data-dir", str(server.data_dir)],
        check=False,
        env=server.environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert second.returncode == 1
    assert "DATA_DIR_LOCKED" in second.stderr
    assert server.url in second.stderr
