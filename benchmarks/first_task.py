"""(b) From just before POST start to the command's own first action, and to the row's `started_at`."""

from __future__ import annotations

import statistics
import time
from datetime import datetime
from pathlib import Path

from benchmarks.report import Row, Size
from benchmarks.server import Server, running_server

PART = "first"
AIM_MS = 10.0
TIMES: dict[Size, int] = {"full": 100, "small": 3}
# bash knows the time without another process; /bin/sh needs one, which then counts as well.
BASH = Path("/bin/bash")
COMMAND = ("/bin/bash", 'echo "$EPOCHREALTIME"') if BASH.exists() else ("/bin/sh", "date +%s.%N")


def measure(size: Size) -> list[Row]:
    """Wall-clock times of one machine, so that two processes can be compared."""
    running, started, answered = [], [], []
    with running_server() as server:
        _one(server)
        for _ in range(TIMES[size]):
            first_action, row_started, answer = _one(server)
            running.append(first_action)
            started.append(row_started)
            answered.append(answer)
    p50 = statistics.median(running)
    note = f"p95 {_p95(running):.1f} ms; {COMMAND[0]} -c '{COMMAND[1]}' prints when it runs"
    aim, met = f"<= {AIM_MS:g} ms", p50 <= AIM_MS
    return [
        Row(PART, "POST start to the command running, p50", "ms", running, aim=aim, met=met, note=note),
        Row(PART, "POST start to the row's started_at, p50", "ms", started, note=f"p95 {_p95(started):.1f} ms"),
        Row(PART, "POST start to its answer, p50", "ms", answered, note=f"p95 {_p95(answered):.1f} ms"),
    ]


def _one(server: Server) -> tuple[float, float, float]:
    """Milliseconds to the command's first action, to `started_at`, and to the answer."""
    session = server.api.workspace([{"kind": "shell", "shell": COMMAND[0], "command": COMMAND[1]}])
    began = time.time()
    server.api.start(session)
    answered = time.time()
    status = server.api.ended(session)
    rows = status["tasks"]
    assert isinstance(rows, list)
    row = rows[0]
    started = datetime.fromisoformat(row["started_at"]).timestamp()
    return (float(row["output"][0]) - began) * 1000, (started - began) * 1000, (answered - began) * 1000


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]
