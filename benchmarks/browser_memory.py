"""(c) The memory of concurrent browser runs that share one Chromium, beside as many browsers of their own."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

from benchmarks.local_page import browser_for_both, local_page
from benchmarks.report import Row, Size, in_turn, median
from benchmarks.server import PROJECT, megabytes, running_server

PART = "memory"
AIM = 2.0
RUNS: dict[Size, int] = {"full": 8, "small": 2}
ROUNDS: dict[Size, int] = {"full": 3, "small": 1}
START_SECONDS = 120.0
SETTLE_SECONDS = 2.0
HOLD_MS = 600_000


def measure(size: Size) -> list[Row]:
    """PSS of whole process trees: server, driver, PTY host and browser; or one script, one driver and N browsers."""
    count, browser = RUNS[size], browser_for_both()
    if not browser.found:
        return [Row(PART, "concurrent browsers", "", note=f"not measured, there is no browser: {browser.command}")]
    with local_page() as url:
        ours, peer = in_turn(
            ROUNDS[size],
            lambda: _of_runs(count, browser.path, url),
            lambda: _of_browsers(count, browser.path, url),
        )
    what = f"{count} concurrent browser runs, memory of all processes (PSS)"
    met = median(peer) / median(ours) >= AIM
    return [Row(PART, what, "MB", ours, peer, f"{count} browsers", aim=f">= {AIM:g} (half)", met=met)]


def _of_runs(count: int, chromium: str, url: str) -> float:
    """As many workspaces, each with a page that is held open by a step that waits."""
    wait = {"type": "waitForExpression", "expression": "window.released === true", "timeout": HOLD_MS}
    task = {"kind": "browser", "path": [{"type": "navigate", "url": url}, wait]}
    with running_server(chromium=chromium, max_concurrent_runs=count) as server:
        sessions = [server.api.workspace([task]) for _ in range(count)]
        for session in sessions:
            server.api.start(session)
        deadline = time.monotonic() + START_SECONDS
        for session in sessions:
            while (status := server.api.status(session))["current_task"] is None or _step(status) != 2:
                if time.monotonic() > deadline or status["status"] not in ("queued", "running"):
                    raise RuntimeError(f"the page was not opened: {status}")
                time.sleep(0.05)
        time.sleep(SETTLE_SECONDS)
        used = megabytes(server.processes())
        for session in sessions:
            server.api.stop(session)
        return used


def _step(status: dict[str, object]) -> object:
    current = status["current_task"]
    return current["step"] if isinstance(current, dict) else None


def _of_browsers(count: int, chromium: str, url: str) -> float:
    command = [sys.executable, "-m", "benchmarks.peers.open_browsers", str(count), chromium, url]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as peer:
        assert peer.stdout is not None
        if peer.stdout.readline().strip() != b"ready":
            raise RuntimeError("the browsers did not start")
        time.sleep(SETTLE_SECONDS)
        root = psutil.Process(peer.pid)
        used = megabytes([root, *root.children(recursive=True)])
        assert peer.stdin is not None
        peer.stdin.close()
        return used
