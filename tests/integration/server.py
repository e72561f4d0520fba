"""A real server process on a data directory of its own, for tests that kill, restart and talk to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil

from bg_runner.terminals.host_client import HostClient
from tests.conditions import wait_until

PROJECT = Path(__file__).parents[2]


class ServerProcess:
    """`python main.py` on `data_dir`. `settings` become BG_RUNNER_* variables; the port is a free one.

    After a restart `url` has another port unless `settings` names one.
    """

    def __init__(self, data_dir: Path, **settings: object) -> None:
        self.data_dir = data_dir
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("BG_RUNNER_")}
        self.environment |= {f"BG_RUNNER_{name.upper()}": str(value) for name, value in settings.items()}
        self.environment.setdefault("BG_RUNNER_PORT", "0")
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client()

    @property
    def url(self) -> str:
        return str(json.loads((self.data_dir / "server.json").read_text())["url"])

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()

    @property
    def log(self) -> str:
        return (self.data_dir.with_suffix(".log")).read_text(errors="replace")

    def start(self) -> ServerProcess:
        """Start and wait until it answers."""
        with self.data_dir.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "main.py", "--data-dir", str(self.data_dir)],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._ready, 30)
        # A restart keeps the port, so that a page finds its server again.
        self.environment["BG_RUNNER_PORT"] = self.url.rpartition(":")[2]
        self.client.close()
        self.client = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)
        return self

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log}")
        with contextlib.suppress(OSError, ValueError, httpx.HTTPError):
            if json.loads((self.data_dir / "server.json").read_text())["pid"] == self.process.pid:
                return httpx.get(f"{self.url}/api/health").status_code == 200
        return False

    def kill(self) -> None:
        """SIGKILL, as a crash or the out-of-memory killer does it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(10)

    def close(self) -> None:
        """End the server, the PTY host and everything that runs on it."""
        self.client.close()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        host = HostClient(self.data_dir)
        with contextlib.suppress(Exception):
            if host.ensure(start=False):
                process = psutil.Process(int(host.instance.partition("-")[0]))
                tree = process.children(recursive=True)
                process.send_signal(signal.SIGKILL)
                psutil.wait_procs([process, *tree], 10)
        host.close()

    # --- the API in short --------------------------------------------------------------------------------------

    def call(self, method: str, path: str, session: str | None = None, **body: object) -> Any:
        """One call that must succeed; the answer's JSON."""
        headers = {"X-Session-ID": session} if session else {}
        answer = self.client.request(
            method, f"/api/background_task/{path}", headers=headers, json=body if method != "GET" else None
        )
        assert answer.is_success, answer.text
        return answer.json()

    def session(self, *tasks: dict[str, object]) -> str:
        """A new workspace with these tasks."""
        session = str(self.call("POST", "sessions")["session_id"])
        if tasks:
            self.call("PUT", "tasks", session, tasks=list(tasks))
        return session

    def run(self, *tasks: dict[str, object], **options: object) -> str:
        """A new workspace whose tasks run."""
        session = self.session(*tasks)
        self.call("POST", "start", session, **options)
        return session

    def status(self, session: str) -> Any:
        return self.call("GET", "status", session)["task_status"]

    def ended(self, session: str, timeout: float = 60) -> Any:
        """The status once the run has ended."""
        wait_until(lambda: self.status(session)["status"] not in ("queued", "running"), timeout, 0.05)
        return self.status(session)

    def wait_for_task(self, session: str, index: int, status: str, timeout: float = 30) -> Any:
        def reached() -> bool:
            found = self.status(session)
            return found is not None and found["tasks"][index]["status"] == status

        wait_until(reached, timeout, 0.02)
        return self.status(session)["tasks"][index]
