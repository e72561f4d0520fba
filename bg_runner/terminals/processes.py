"""Ending a whole process tree for certain, and finding what a killed PTY host left behind.

Linux does it exactly: orphans of a terminal become children of its supervisor (a subreaper), /proc tells who descends
from whom, and a pidfd is a handle that no reused pid can be confused with. On macOS psutil lists the descendants
instead, and what was orphaned and cleared its environment is missed: as well as can be, and untested.

Standard library only (psutil is imported where there is no /proc): supervisors use this, too.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bg_runner.terminals.identity import HOST_VARIABLE, ID_VARIABLE, ProcessId
from bg_runner.terminals.process_table import (
    LINUX,
    ZOMBIE,
    Process,
    Table,
    below,
    children_of,
    has_variable,
    holds,
    is_alive,
    is_same,
    look,
    process_id,
    process_table,
)
from bg_runner.terminals.protocol import host_key

SUPERVISOR_NAME = "bgr-supervisor"
SOFT_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGCONT)
KILL_PATIENCE = 5.0
STUCK_PATIENCE = 1.0
EMPTY_PATIENCE = 0.5
RESCAN = 0.1
EMPTY_RESCAN = 0.005
STRIKES = 50


class Killed(NamedTuple):
    """`ended` are the pids that were found and are gone, `survivors` those that live; `seconds` is the time taken."""

    ended: list[int]
    seconds: float
    survivors: list[int]


def kill_tree(
    supervisor: ProcessId,
    *,
    grace: float = 5.0,
    main: ProcessId | None = None,
    tag: tuple[str, str] | None = None,
) -> Killed:
    """End every descendant of `supervisor`: TERM (with HUP and CONT), up to `grace` seconds, KILL until none is left.

    HUP because interactive shells ignore TERM, CONT because a stopped process does not react to either. `main` and
    `tag` (an environment variable with its value) help when the supervisor itself was killed: then the tree of `main`
    and all processes with that variable are ended, with their descendants. The supervisor is not killed: it leaves by
    itself.

    Returns as soon as nothing is left. What cannot be ended (another user's process, one that hangs in the kernel)
    is reported as survivors. Blocks up to `grace` + 5 s: never call it on an event loop.
    """
    return _Hunt(supervisor, main, tag).run(grace)


def find_leftovers(data_dir: Path, terminal_id: str) -> list[ProcessId]:
    """What still lives of a terminal, found without the host: its supervisor and every process of its tree.

    A supervisor is known by the name of a memory file that it holds, the others by descent or by their environment.
    """
    return [process.id for process in _Leftovers(data_dir, terminal_id).everything(process_table()).values()]


def end_leftovers(data_dir: Path, terminal_id: str, *, grace: float = 5.0) -> Killed:
    """End what `find_leftovers` finds, so that a rerun does not stand beside a first attempt that still lives."""
    return _Leftovers(data_dir, terminal_id).run(grace)


def supervisor_mark(key: str, terminal_id: str) -> int:
    """A descriptor that makes the process that holds it findable as the supervisor of a terminal (-1 off Linux)."""
    return os.memfd_create(_mark_name(key, terminal_id)) if LINUX else -1


def _mark_name(key: str, terminal_id: str) -> str:
    return f"bgr:{key}:{terminal_id}"


class _Quarry:
    """One process that is to end. `handle` is its pidfd, or -1 where there is none."""

    def __init__(self, process: ProcessId, handle: int) -> None:
        self.process = process
        self.handle = handle
        self.refused = False

    def send(self, signum: int) -> None:
        try:
            if self.handle >= 0:
                signal.pidfd_send_signal(self.handle, signum)
            elif is_alive(self.process):
                os.kill(self.process.pid, signum)
        except ProcessLookupError:
            return
        except PermissionError:
            self.refused = True

    def close(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


class _Hunt:
    """One `kill_tree`: looks at the process table again and again until nothing is left below the supervisor."""

    def __init__(self, supervisor: ProcessId, main: ProcessId | None, tag: tuple[str, str] | None) -> None:
        self.supervisor = supervisor
        self.main = main
        self.tag = tag
        self._quarries: dict[ProcessId, _Quarry] = {}
        self._ended: list[int] = []
        self._is_me = supervisor == process_id(os.getpid())
        self._watched = None if self._is_me else _take(supervisor)

    def run(self, grace: float) -> Killed:
        begin = time.monotonic()
        try:
            left = self._chase(SOFT_SIGNALS, begin + grace)
            if left or not self._is_gone():
                left = self._chase((signal.SIGKILL,), time.monotonic() + KILL_PATIENCE)
        finally:
            for quarry in [*self._quarries.values(), *filter(None, [self._watched])]:
                quarry.close()
        return Killed(sorted(set(self._ended)), round(time.monotonic() - begin, 3), sorted(left))

    def scan(self, table: Table) -> Table:
        """The processes that belong to the tree now, zombies excepted."""
        if self._supervisor_lives(table):
            found = below(table, [self.supervisor.pid])
            del found[self.supervisor.pid]
        else:
            found = below(table, self._roots(table))
        found.pop(os.getpid(), None)
        return {pid: process for pid, process in found.items() if process.state not in ZOMBIE}

    def _supervisor_lives(self, table: Table) -> bool:
        found = table.get(self.supervisor.pid)
        return found is not None and is_same(found, self.supervisor) and found.state not in ZOMBIE

    def _roots(self, table: Table) -> list[int]:
        """The supervisor was killed: start from the main process, its session, and whoever carries a tag."""
        roots = [pid for pid in table if self.tag is not None and has_variable(pid, self.tag)]
        if self.main is not None:
            found = table.get(self.main.pid)
            if found is not None and is_same(found, self.main):
                roots += [process.pid for process in table.values() if process.session == self.main.pid]
                roots.append(self.main.pid)
        return roots

    def _chase(self, signals: tuple[signal.Signals, ...], deadline: float) -> list[int]:
        """Signal what there is and what appears, until nothing is left or the deadline has come; what is left then.

        KILL is repeated at every look, the softer signals are given once to each process.
        """
        to_death = signal.SIGKILL in signals
        signalled: set[ProcessId] = set()
        last_news = time.monotonic()
        while True:
            found = self.scan(process_table())
            self._forget_ended(found)
            now = time.monotonic()
            new = [process.id for process in found.values() if process.id not in signalled]
            if new:
                last_news = now
            if not found and (self._is_gone() or now - last_news > EMPTY_PATIENCE):
                return []
            for process in [process.id for process in found.values()] if to_death else new:
                self._signal(process, signals)
                signalled.add(process)
            if to_death:
                self._strike()
            stuck = to_death and now - last_news > STUCK_PATIENCE
            if found and (now >= deadline or stuck or all(map(self._is_refused, found.values()))):
                return list(found)
            self._wait(min(deadline - now, RESCAN) if found else EMPTY_RESCAN)

    def _is_refused(self, process: Process) -> bool:
        quarry = self._quarries.get(process.id)
        return quarry is not None and quarry.refused

    def _is_gone(self) -> bool:
        """Whether nothing can be left for certain: a supervisor leaves when it has no child any more."""
        if not self._is_me:
            return not is_alive(self.supervisor)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        return False

    def _strike(self) -> None:
        """Kill the supervisor's own children, many times over and at once.

        A program whose only process forks and ends all the time is gone before a look at the whole table is over.
        Each new one is a child of the supervisor, and those can be listed within microseconds.
        """
        for _ in range(STRIKES):
            if not is_alive(self.supervisor):
                return
            for pid in children_of(self.supervisor.pid):
                quarry = _take(ProcessId(pid, 0), parent=self.supervisor.pid)
                if quarry is not None:
                    quarry.send(signal.SIGKILL)
                    quarry.close()
                    if not quarry.refused:
                        self._ended.append(pid)

    def _signal(self, process: ProcessId, signals: Iterable[int]) -> None:
        quarry = self._quarries.get(process)
        if quarry is None:
            quarry = _take(process)
            if quarry is None:
                self._ended.append(process.pid)  # With its session leader, for instance, or by its parent.
                return
            self._quarries[process] = quarry
        for signum in signals:
            quarry.send(signum)

    def _forget_ended(self, found: Table) -> None:
        living = {process.id for process in found.values()}
        for process in [process for process in self._quarries if process not in living]:
            self._quarries.pop(process).close()
            self._ended.append(process.pid)

    def _wait(self, timeout: float) -> None:
        """Until one of them ends, at most `timeout` seconds."""
        watched = [*self._quarries.values(), *filter(None, [self._watched])]
        handles = [quarry.handle for quarry in watched if quarry.handle >= 0]
        if not handles:
            time.sleep(min(timeout, 0.01))
            return
        poll = select.poll()
        for handle in handles:
            poll.register(handle, select.POLLIN)
        poll.poll(max(timeout, 0.0) * 1000)


class _Leftovers(_Hunt):
    """Like a hunt, but for a terminal whose supervisor is not known and may have been killed as well."""

    def __init__(self, data_dir: Path, terminal_id: str) -> None:
        key = host_key(data_dir)
        self._mark = f"/memfd:{_mark_name(key, terminal_id)}"
        self._host = (HOST_VARIABLE, key)
        self._id = (ID_VARIABLE, terminal_id)
        super().__init__(ProcessId(0, 0), None, None)

    def scan(self, table: Table) -> Table:
        """The tree without its supervisor; that one comes last, when it is alone and does not leave by itself."""
        supervisors = self.supervisors(table)
        found = {pid: process for pid, process in self.everything(table).items() if pid not in supervisors}
        return found or {pid: table[pid] for pid in supervisors}

    def supervisors(self, table: Table) -> set[int]:
        return {
            pid
            for pid, process in table.items()
            if process.name == SUPERVISOR_NAME and process.state not in ZOMBIE and holds(pid, self._mark)
        }

    def everything(self, table: Table) -> Table:
        tagged = [pid for pid in table if has_variable(pid, self._id) and has_variable(pid, self._host)]
        found = below(table, [*self.supervisors(table), *tagged])
        found.pop(os.getpid(), None)
        return {pid: process for pid, process in found.items() if process.state not in ZOMBIE}


def _take(process: ProcessId, parent: int | None = None) -> _Quarry | None:
    """A handle on exactly this process (or on the child of `parent` with this pid); None if it is gone already."""
    handle = -1
    if hasattr(os, "pidfd_open"):
        try:
            handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return None
        except OSError:
            handle = -1  # A kernel before 5.3, or no descriptor left.
    found = look(process.pid)
    if found is not None and (found.parent == parent if parent is not None else is_same(found, process)):
        return _Quarry(found.id, handle)
    if handle >= 0:
        os.close(handle)
    return None
