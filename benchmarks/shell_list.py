"""(a) A list of `true` commands, durable, through the real server, beside bare PTYs, huey and task-spooler."""

from __future__ import annotations

import shutil
import tempfile
import time
from datetime import datetime
from pathlib import Path

from benchmarks.peers import run_peer
from benchmarks.report import Row, Size, in_turn, median
from benchmarks.server import IN_MEMORY, ON_DISK, Server, running_server
from bg_runner.files import write_durably

PART = "shell"
AIM = 0.6
TASKS: dict[Size, int] = {"full": 200, "small": 5}
ROUNDS: dict[Size, int] = {"full": 7, "small": 1}
WRITES = 50


def measure(size: Size) -> list[Row]:
    """POST start until the run is completed, and the same number of commands by other means."""
    count, rounds = TASKS[size], ROUNDS[size]
    in_memory = IN_MEMORY if IN_MEMORY.is_dir() else ON_DISK
    with running_server() as durable, running_server(where=in_memory) as forgetful:
        run_list(durable, 2)  # the PTY host is started with the first command
        run_list(forgetful, 2)
        peers = [lambda: run_peer("bare_pty", count), lambda: run_peer("huey_queue", count, str(ON_DISK))]
        if shutil.which("tsp"):
            peers.append(lambda: run_peer("task_spooler", count))
        ours, without, bare, huey, *spooler = in_turn(
            rounds, lambda: run_list(durable, count), lambda: run_list(forgetful, count), *peers
        )
        state = max(durable.data_dir.glob("*.json"), key=lambda path: path.stat().st_size).stat().st_size
    what = f"{count} x `true` in one list"
    ratio, each = median(bare) / median(ours), 1000 * median(ours) / count
    disk, memory = _write_ms(ON_DISK, state), _write_ms(in_memory, state)
    aim, met = f">= {AIM}", ratio >= AIM
    rows = [
        Row(PART, what, "s", ours, bare, "bare PTYs", aim=aim, met=met, note=f"{each:.2f} ms a task"),
        Row(PART, f"{what}, data in memory", "s", without, bare, "bare PTYs", note="the same without a disk's fsync"),
        Row(PART, f"{what}, huey", "s", ours, huey, "huey, SQLite"),
    ]
    if spooler:
        rows.append(Row(PART, f"{what}, task-spooler", "s", ours, spooler[0], "tsp", note="tsp writes nothing down"))
    else:
        note = "not measured, it is missing: apt-get install -y task-spooler"
        rows.append(Row(PART, f"{what}, task-spooler", "s", ours, note=note))
    note = f"one for each task; the disk's part of it is {median(disk) - median(memory):.2f} ms"
    write = f"one durable write of the state ({state // 1024} KB)"
    return [*rows, Row(PART, write, "ms", disk, memory, "in memory", note=note)]


def run_list(server: Server, count: int) -> float:
    """Seconds from just before POST start to the run's end: the server's own time of it, by the same clock."""
    session = server.api.workspace([{"kind": "shell", "command": "true", "shell": "/bin/sh"} for _ in range(count)])
    began = time.time()
    server.api.start(session)
    return datetime.fromisoformat(str(server.api.ended(session)["ended_at"])).timestamp() - began


def _write_ms(where: Path, size: int) -> list[float]:
    """Milliseconds of our own durable write of a file of this size."""
    data, took = b"x" * size, []
    with tempfile.TemporaryDirectory(dir=where) as directory:
        for _ in range(WRITES):
            began = time.perf_counter()
            write_durably(Path(directory) / "state.json", data)
            took.append((time.perf_counter() - began) * 1000)
    return took
