"""Ending a whole process tree for certain, and finding what a killed PTY host left behind.

Linux does it exactly (subreaper, /proc, pidfd). macOS as well as can be, through psutil, untested.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bg_runner.terminals.models import ProcessId


@dataclass(frozen=True)
class Killed:
    """`ended` are the pids that were signalled and are gone, `survivors` those that live, `seconds` how long it took."""

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

    Returns as soon as the tree is empty. Blocks up to `grace` + 5 s: never call it on an event loop.
    """
    raise NotImplementedError


def find_leftovers(data_dir: Path, terminal_id: str) -> list[ProcessId]:
    """What still lives of a terminal, found without the host: supervisor first, its tree, processes with its tag."""
    raise NotImplementedError


def end_leftovers(data_dir: Path, terminal_id: str, *, grace: float = 5.0) -> Killed:
    """End what `find_leftovers` finds. After it, a rerun does not stand beside the first attempt."""
    raise NotImplementedError
