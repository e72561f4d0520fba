"""What the processes of a terminal use at present."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import psutil


class Usage(NamedTuple):
    """Of the whole process tree: `cpu_seconds` so far (ended children included), `memory_bytes` and `processes` now."""

    cpu_seconds: float
    memory_bytes: int
    processes: int


def usage_below(supervisor: int) -> Usage:
    """Of everything below the process `supervisor`, which is ours and does not count. Reads /proc: not for a loop."""
    cpu, memory, count = 0.0, 0, 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(supervisor).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times, used = process.cpu_times(), process.memory_info().rss
                cpu += times.user + times.system + times.children_user + times.children_system
                memory += used
                count += 1
    return Usage(round(cpu, 2), memory, count)
