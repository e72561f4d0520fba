"""(c) A list of browser tasks on a local page, beside a fresh Playwright and a fresh browser for each."""

from __future__ import annotations

import time
from datetime import datetime

from benchmarks.local_page import browser_for_both, local_page
from benchmarks.peers import run_peer
from benchmarks.report import Row, Size, median
from benchmarks.server import Server, running_server

PART = "browser"
AIM = 4.0
TASKS: dict[Size, int] = {"full": 20, "small": 2}
ROUNDS: dict[Size, int] = {"full": 3, "small": 1}


def measure(size: Size) -> list[Row]:
    """The first list of a fresh server starts the browser, too; the second one finds it there."""
    count, browser = TASKS[size], browser_for_both()
    if not browser.found:
        return [Row(PART, "browser tasks", "", note=f"not measured, there is no browser: {browser.command}")]
    first: list[float] = []
    second: list[float] = []
    fresh: list[float] = []
    with local_page() as url:
        for _ in range(ROUNDS[size]):
            fresh.append(run_peer("fresh_browsers", count, browser.path, url))
            with running_server(chromium=browser.path) as server:
                first.append(_run_list(server, url, count))
                second.append(_run_list(server, url, count))
    what, name = f"{count} browser tasks in one list", "fresh browsers"
    met = median(fresh) / median(first) >= AIM
    note = f"with the start of the browser; {browser.version}, {browser.path}"
    return [
        Row(PART, what, "s", first, fresh, name, aim=f">= {AIM:g}", met=met, note=note),
        Row(PART, f"{what}, browser there", "s", second, fresh, name),
    ]


def _run_list(server: Server, url: str, count: int) -> float:
    """Seconds from just before POST start to the run's end."""
    path = [{"type": "navigate", "url": url}, {"type": "waitForElement", "selectors": ["h1"]}]
    session = server.api.workspace([{"kind": "browser", "path": path} for _ in range(count)])
    began = time.time()
    server.api.start(session)
    return datetime.fromisoformat(str(server.api.ended(session)["ended_at"])).timestamp() - began
