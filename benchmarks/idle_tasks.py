"""(e) What the server, the PTY host and the supervisors cost while 100 commands run and say nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from benchmarks.report import Row, Size
from benchmarks.server import Server, megabytes, running_server

PART = "idle"
AIM_PERCENT = 3.0
WORKSPACES: dict[Size, int] = {"full": 100, "small": 3}
SECONDS: dict[Size, float] = {"full": 20.0, "small": 1.0}
ROUNDS: dict[Size, int] = {"full": 3, "small": 1}
START_SECONDS = 120.0


def measure(size: Size) -> list[Row]:
    """Nobody polls meanwhile; the flush and every other clock of the server run as shipped."""
    count, seconds = WORKSPACES[size], SECONDS[size]
    with running_server(max_concurrent_runs=count) as server:
        sessions = [server.api.workspace([{"kind": "shell", "command": "exec sleep 3600"}]) for _ in range(count)]
        for session in sessions:
            server.api.start(session)
        supervisors = _wait_until_running(server, sessions)
        time.sleep(min(seconds, 6.0))  # the flush that follows the start is not part of being idle
        processes = {"server": [server.process], "host": supervisors[:1], "supervisors": supervisors[1:]}
        parts = [cpu_percent(processes, seconds) for _ in range(ROUNDS[size])]
        memory = megabytes(process for group in processes.values() for process in group)
        for session in sessions:
            server.api.stop(session)
    totals = [sum(part.values()) for part in parts]
    middle = sorted(parts, key=lambda part: sum(part.values()))[len(parts) // 2]
    shares = ", ".join(f"{name} {percent:.2f} %" for name, percent in middle.items())
    met = sorted(totals)[len(totals) // 2] <= AIM_PERCENT
    what = f"{count} idle commands in {count} workspaces, CPU of a core over {seconds:g} s"
    return [
        Row(PART, what, "%", totals, aim=f"<= {AIM_PERCENT:g} %", met=met, note=shares),
        Row(PART, "memory of server, host and supervisors (PSS)", "MB", [memory]),
    ]


def _wait_until_running(server: Server, sessions: list[str]) -> list[psutil.Process]:
    """The PTY host and its supervisors once every command runs. Raises: TimeoutError, RuntimeError."""
    deadline = time.monotonic() + START_SECONDS
    for session in sessions:
        while (row := _only_row(server, session))["status"] != "running":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{session} still has {row}")
            time.sleep(0.05)
    while time.monotonic() < deadline:
        host = server.host()
        sleeping = 0 if host is None else sum(p.name() == "sleep" for p in _living(host.children(recursive=True)))
        if host is not None and sleeping == len(sessions):
            return [host, *host.children()]
        time.sleep(0.1)
    raise TimeoutError("not every command runs")


def _only_row(server: Server, session: str) -> dict[str, object]:
    rows = server.api.status(session)["tasks"]
    assert isinstance(rows, list)
    row: dict[str, object] = rows[0]
    return row


def _living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running()]


def cpu_percent(groups: dict[str, list[psutil.Process]], seconds: float) -> dict[str, float]:
    """Per cent of one core that each group uses in this time."""
    before = {name: sum(map(cpu_seconds, group)) for name, group in groups.items()}
    began = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    return {name: 100 * (sum(map(cpu_seconds, group)) - before[name]) / took for name, group in groups.items()}


def cpu_seconds(process: psutil.Process) -> float:
    """To the nanosecond where the kernel counts so (schedstat of every thread), else to the clock tick."""
    try:
        paths = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
        return sum(int(path.read_text().split()[0]) for path in paths) / 1e9
    except (OSError, ValueError, IndexError):
        times = process.cpu_times()
        return float(times.user + times.system)
