"""A real server for a benchmark: a process of its own, a data directory of its own, and a client that costs little."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bg_runner.errors import HostGone
from bg_runner.terminals.host_client import HostClient

PROJECT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
END_SECONDS = 20.0
RUN_SECONDS = 600.0
# A poll makes the server write out the whole status; more of them would be most of what is measured.
POLL_SECONDS = 0.25
# By the file hierarchy standard on a disk, unlike /tmp: on a RAM disk a durable write would cost nothing.
ON_DISK = Path("/var/tmp")
IN_MEMORY = Path("/dev/shm")


class Api:
    """One kept-alive connection. Not thread-safe."""

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}"}

    def close(self) -> None:
        self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        session: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, object], str]:
        """The answer's status, JSON and ETag. Raises: OSError, RuntimeError if the server refuses."""
        sent = {**self._headers, **(headers or {})}
        if session:
            sent["X-Session-ID"] = session
        data = None
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        self._connection.request(method, path, data, sent)
        response = self._connection.getresponse()
        text = response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {text.decode(errors='replace')}")
        return response.status, json.loads(text) if text else {}, response.getheader("etag") or ""

    def workspace(self, tasks: Sequence[Mapping[str, object]]) -> str:
        """A new workspace with this list; its id."""
        session = str(self.call("POST", "/api/background_task/sessions", {})[1]["session_id"])
        self.call("PUT", "/api/background_task/tasks", {"tasks": list(tasks)}, session=session)
        return session

    def start(self, session: str) -> None:
        self.call("POST", "/api/background_task/start", {"ignore_completed": False}, session=session)

    def stop(self, session: str) -> None:
        self.call("POST", "/api/background_task/stop", {}, session=session)

    def status(self, session: str) -> dict[str, object]:
        answer = self.call("GET", "/api/background_task/status", session=session)[1]["task_status"]
        assert isinstance(answer, dict)
        return answer

    def ended(self, session: str) -> dict[str, object]:
        """Wait for the run's end as a page would, with an ETag; the last status. Raises: TimeoutError, RuntimeError."""
        etag, deadline = "", time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            path, known = "/api/background_task/status", {"If-None-Match": etag} if etag else {}
            code, answer, etag = self.call("GET", path, session=session, headers=known)
            status = answer.get("task_status") if code == 200 else None
            if isinstance(status, dict) and status["status"] not in ("queued", "running"):
                if status["completed_tasks"] != status["total_tasks"]:
                    raise RuntimeError(f"not every task was completed: {json.dumps(status)[:2000]}")
                return status
        raise TimeoutError(f"the run did not end within {RUN_SECONDS} s")


class Server:
    """A running server; `api` speaks to it."""

    def __init__(self, process: psutil.Process, data_dir: Path, api: Api, address: str, token: str) -> None:
        self.process = process
        self.data_dir = data_dir
        self.api = api
        self.address = address
        self.token = token

    def host(self) -> psutil.Process | None:
        """The PTY host, if there is one."""
        with HostClient(self.data_dir) as client:
            try:
                there = client.ensure(start=False)
            except HostGone:
                return None
            return psutil.Process(int(client.instance.partition("-")[0])) if there else None

    def processes(self) -> list[psutil.Process]:
        """The server, its browser, the PTY host and its supervisors, with everything below them."""
        roots = [self.process, *filter(None, [self.host()])]
        return [process for root in roots for process in (root, *root.children(recursive=True))]


@contextlib.contextmanager
def running_server(
    *, where: Path = ON_DISK, cores: Sequence[int] | None = None, **settings: object
) -> Iterator[Server]:
    """Start a server with `settings` (else as shipped) on a fresh data directory; end it and all that it left.

    `cores` are the only ones that it and its children may use. Raises: RuntimeError if it does not start.
    """
    data_dir = Path(tempfile.mkdtemp(prefix="bg-runner-bench-", dir=where if where.is_dir() else None))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BG_RUNNER_")}
    if chromium := os.environ.get("BG_RUNNER_CHROMIUM"):
        environment["BG_RUNNER_CHROMIUM"] = chromium
    environment |= {f"BG_RUNNER_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, str(PROJECT / "main.py"), "--port", "0", "--data-dir", str(data_dir)]
    if cores is not None:
        command = ["taskset", "-c", ",".join(map(str, cores)), *command]
    with (data_dir / "bench.log").open("wb") as output:
        popen = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        address, token = _wait_for(popen, data_dir)
        with contextlib.closing(Api(address, token)) as api:
            yield Server(psutil.Process(popen.pid), data_dir, api, address, token)
    finally:
        _end(popen, data_dir)
        shutil.rmtree(data_dir, ignore_errors=True)


def _wait_for(popen: subprocess.Popen[bytes], data_dir: Path) -> tuple[str, str]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and popen.poll() is None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            info = json.loads((data_dir / "server.json").read_bytes())
            return info["url"], (data_dir / "token").read_text().strip()
        time.sleep(0.02)
    said = (data_dir / "bench.log").read_text(errors="replace")
    raise RuntimeError(f"the server did not start: {said[-2000:]}")


def _end(popen: subprocess.Popen[bytes], data_dir: Path) -> None:
    """SIGTERM for the server; then its PTY host, whose supervisors end whatever still runs."""
    popen.send_signal(signal.SIGTERM)
    try:
        popen.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()
    with HostClient(data_dir) as client, contextlib.suppress(HostGone, psutil.NoSuchProcess):
        if client.ensure(start=False):
            host = psutil.Process(int(client.instance.partition("-")[0]))
            tree = [host, *host.children(recursive=True)]
            host.kill()
            psutil.wait_procs(tree, END_SECONDS)


def megabytes(processes: Iterable[psutil.Process]) -> float:
    """Their proportional set sizes together: a page that N of them share counts once in all."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += int(process.memory_full_info().pss)
    return total / 2**20
