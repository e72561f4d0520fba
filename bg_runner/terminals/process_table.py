"""The process table: who lives, who descends from whom, who holds what.

Linux tells it all in /proc; elsewhere psutil does (imported only there: supervisors use this, too).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bg_runner.terminals.identity import ProcessId

LINUX = sys.platform.startswith("linux")
ZOMBIE = "ZX"


class Process(NamedTuple):
    """A line of the process table."""

    pid: int
    parent: int
    started: int
    state: str
    name: str
    session: int = 0

    @property
    def id(self) -> ProcessId:
        return ProcessId(self.pid, self.started)


Table = dict[int, Process]


def process_id(pid: int) -> ProcessId | None:
    """The process that has `pid` now; None if there is none."""
    process = look(pid)
    return process.id if process else None


def read_stat(pid: int) -> bytes:
    """The line of /proc that says who `pid` is, for `told_process`; empty where there is none."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def told_process(pid: int, stat: bytes) -> ProcessId | None:
    """Who `pid` was when its parent, which had not reaped it, read `stat`."""
    return _parse_stat(pid, stat).id if stat else process_id(pid)


def is_alive(process: ProcessId) -> bool:
    """Whether this very process lives; a zombie does not."""
    found = look(process.pid)
    return found is not None and is_same(found, process) and found.state not in ZOMBIE


def is_same(found: Process, process: ProcessId) -> bool:
    tolerance = 0 if LINUX else 200
    return abs(found.started - process.started) <= tolerance


def children_of(pid: int) -> list[int]:
    """The living children of a process with one thread; empty where the kernel does not tell."""
    try:
        descriptor = os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        return [int(child) for child in os.read(descriptor, 65536).split()]
    except OSError:
        return []
    finally:
        os.close(descriptor)


def below(table: Table, roots: Iterable[int]) -> Table:
    """`roots` and all their descendants."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: Table = {}
    waiting = [pid for pid in roots if pid in table]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = table[pid]
            waiting += children.get(pid, [])
    return found


def process_table() -> Table:
    """Every process."""
    if not LINUX:
        return _table_of_psutil()
    table: Table = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 (a Path for each one costs more than reading it)
        if name.isdigit():
            process = look(int(name))
            if process is not None:
                table[process.pid] = process
    return table


def look(pid: int) -> Process | None:
    if not LINUX:
        return _table_of_psutil().get(pid)
    line = read_stat(pid)
    return _parse_stat(pid, line) if line else None


def _parse_stat(pid: int, line: bytes) -> Process:
    """proc(5): /proc/PID/stat."""
    # The name stands in parentheses and may itself hold spaces and parentheses.
    name_begin, name_end = line.index(b"("), line.rindex(b")")
    fields = line[name_end + 2 :].split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        started=int(fields[19]),
        state=fields[0].decode(),
        name=os.fsdecode(line[name_begin + 1 : name_end]),
        session=int(fields[3]),
    )


def _table_of_psutil() -> Table:
    import psutil

    table: Table = {}
    for process in psutil.process_iter(["pid", "ppid", "create_time", "status", "name"]):
        told = process.info
        state = "Z" if told["status"] == psutil.STATUS_ZOMBIE else "R"
        started = int((told["create_time"] or 0) * 100)
        table[told["pid"]] = Process(told["pid"], told["ppid"] or 0, started, state, told["name"] or "")
    return table


def has_variable(pid: int, variable: tuple[str, str]) -> bool:
    wanted = os.fsencode("=".join(variable))
    if not LINUX:
        import psutil

        with contextlib.suppress(psutil.Error, OSError):
            return psutil.Process(pid).environ().get(variable[0]) == variable[1]
        return False
    try:
        return wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def holds(pid: int, target: str) -> bool:
    """Whether a descriptor of the process leads to `target` (a memory file's name)."""
    directory = f"/proc/{pid}/fd"
    try:
        for name in os.listdir(directory):  # noqa: PTH208
            with contextlib.suppress(OSError):
                if os.readlink(f"{directory}/{name}").removesuffix(" (deleted)") == target:  # noqa: PTH115
                    return True
    except OSError:
        return False
    return False
