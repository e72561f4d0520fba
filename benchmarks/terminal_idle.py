"""(j) What 1,000 terminals cost in which a shell waits and nobody looks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from benchmarks.idle_tasks import cpu_percent
from benchmarks.report import Row, Size, median
from benchmarks.terminal_sides import our_side

PART = "idle-terminals"
AIM_MB = 1.5
AIM_PERCENT = 3.0
TERMINALS: dict[Size, int] = {"full": 1000, "small": 5}
SECONDS: dict[Size, float] = {"full": 20.0, "small": 1.0}
SETTLE: dict[Size, float] = {"full": 100.0, "small": 0.0}
ROUNDS: dict[Size, int] = {"full": 3, "small": 1}
SHELL = "/bin/bash"


def measure(size: Size) -> list[Row]:
    """Private memory, above what server and host take without any terminal. The shells are the user's, not ours."""
    count = TERMINALS[size]
    limits = {"max_terminals": count + 1, "max_terminals_per_user": count + 1, "terminal_rate": 1e6}
    with our_side(**limits) as side:
        assert side.server is not None
        api, server = side.server.api, side.server.process
        api.call("POST", "/api/terminals", {"shell": SHELL})  # starts the host
        host = side.server.host()
        assert host is not None
        before = _private_mb([server, *_ours(host)])
        began = time.monotonic()
        for _ in range(count):
            api.call("POST", "/api/terminals", {"shell": SHELL})
        opening = (time.monotonic() - began) / count
        time.sleep(SETTLE[size])  # Idle terminals are let go of after a minute.
        groups = {"server": [server], "host": [host], "supervisors": _ours(host)[1:]}
        memory = {name: _private_mb(group) for name, group in groups.items()}
        parts = [cpu_percent(groups, SECONDS[size]) for _ in range(ROUNDS[size])]
    each = (sum(memory.values()) - before) / count
    totals = [sum(part.values()) for part in parts]
    shares = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in memory.items())
    percents = ", ".join(f"{name} {median([part[name] for part in parts]):.2f} %" for name in groups)
    note = f"in all {shares}; {1000 * opening:.0f} ms to open one"
    what = f"{count:,} idle terminals, CPU of a core over {SECONDS[size]:g} s"
    met = median(totals) <= AIM_PERCENT
    return [
        Row(
            PART,
            f"{count:,} idle terminals, private memory of server, host and supervisors, each",
            "MB",
            [each],
            aim=f"<= {AIM_MB} MB",
            met=each <= AIM_MB,
            note=note,
        ),
        Row(PART, what, "%", totals, aim=f"<= {AIM_PERCENT:g} %", met=met, note=percents),
    ]


def _ours(host: psutil.Process) -> list[psutil.Process]:
    """The host and its processes without the shells in the terminals and what they run."""
    found = [host]
    for process in host.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.exe() == host.exe():
                found.append(process)
    return found


def _private_mb(processes: Iterable[psutil.Process]) -> float:
    """Memory that would be free without them: the kernel's `Private_Clean` and `Private_Dirty`."""
    kilobytes = 0
    for process in processes:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Di")))
    return kilobytes / 1024
