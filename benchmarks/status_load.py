"""(d) The status route under load: `wrk` with 32 connections, one core for the server, another one for wrk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from benchmarks.report import Row, Size
from benchmarks.server import Server, running_server

PART = "status"
AIM_RATE, AIM_P99_MS = 2500.0, 30.0
CONNECTIONS = 32
SECONDS: dict[Size, int] = {"full": 10, "small": 1}
ROUNDS: dict[Size, int] = {"full": 3, "small": 1}
TASKS = 4
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def measure(size: Size) -> list[Row]:
    """The status of a run of four tasks that has ended, with its whole body and as 304."""
    missing = next((tool for tool in ("wrk", "taskset") if shutil.which(tool) is None), None)
    if missing:
        package = {"wrk": "wrk", "taskset": "util-linux"}[missing]
        return [Row(PART, "status route", "", note=f"not measured, {missing} is missing: apt-get install -y {package}")]
    cores = sorted(os.sched_getaffinity(0))
    rates: dict[str, list[float]] = {"whole": [], "304": []}
    p99s: dict[str, list[float]] = {"whole": [], "304": []}
    with running_server(cores=cores[:1]) as server:
        tasks = [{"kind": "shell", "command": "echo one; echo two; echo three"} for _ in range(TASKS)]
        session = server.api.workspace(tasks)
        server.api.start(session)
        server.api.ended(session)
        etag = server.api.call("GET", "/api/background_task/status", session=session)[2]
        known = {"whole": {}, "304": {"If-None-Match": etag}}
        for _ in range(ROUNDS[size]):
            for kind, headers in known.items():
                rate, p99 = _load(server, session, headers, cores[-1], SECONDS[size])
                rates[kind].append(rate)
                p99s[kind].append(p99)
    note = "" if len(cores) > 1 else "wrk shared the server's only core"
    names = {"whole": f"status of {TASKS} tasks", "304": f"status of {TASKS} tasks, If-None-Match"}
    return [row for kind, name in names.items() for row in _rows(name, rates[kind], p99s[kind], note)]


def _rows(name: str, rates: list[float], p99s: list[float], note: str) -> list[Row]:
    rate, p99 = sorted(rates)[len(rates) // 2], sorted(p99s)[len(p99s) // 2]
    load = f"{CONNECTIONS} connections, 1 core"
    return [
        Row(PART, f"{name}, {load}", "/s", rates, aim=f">= {AIM_RATE:,.0f}/s", met=rate >= AIM_RATE, note=note),
        Row(PART, f"{name}, p99", "ms", p99s, aim=f"< {AIM_P99_MS:g} ms", met=p99 < AIM_P99_MS),
    ]


def _load(server: Server, session: str, headers: Mapping[str, str], core: int, seconds: int) -> tuple[float, float]:
    """Requests a second and the 99th percentile in milliseconds. Raises: RuntimeError if a request failed."""
    given = {"Authorization": f"Bearer {server.token}", "X-Session-ID": session, **headers}
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    for name, value in given.items():
        command += ["-H", f"{name}: {value}"]
    command.append(f"{server.address.rstrip('/')}/api/background_task/status")
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate, p99 = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", said)
    failed = "Non-2xx" in said or "Socket errors" in said
    if failed or rate is None or p99 is None:
        raise RuntimeError(f"wrk said: {said}")
    return float(rate[1]), float(p99[1]) * UNITS[p99[2]]
