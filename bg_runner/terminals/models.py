"""What the PTY host is asked for and what it answers. Standard library only: the host imports this."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
ID_VARIABLE = "BG_RUNNER_TERMINAL_ID"
HOST_VARIABLE = "BG_RUNNER_TERMINAL_HOST"
DEFAULT_LOG_BYTES = 64 * 1024 * 1024


def check_id(terminal_id: str) -> str:
    """Return `terminal_id` if it is a valid one: it becomes a directory's name. Raises: ValueError."""
    if not ID_PATTERN.fullmatch(terminal_id):
        raise ValueError(f"not a terminal id: {terminal_id!r}")
    return terminal_id


@dataclass(frozen=True)
class ProcessId:
    """A process, safe against reuse of its pid.

    `started` is the start time as the kernel gives it: clock ticks since boot on Linux (field 22 of /proc/PID/stat),
    hundredths of a second since the epoch elsewhere (there compared with a tolerance).
    """

    pid: int
    started: int


@dataclass(frozen=True)
class Exit:
    """How a terminal's main process ended: by `code` or by `signal` (the other is None).

    `cursor` is the end of the log (bytes) when the PTY had been read to its end, `at` the time (s since the epoch).
    """

    code: int | None
    signal: int | None
    cursor: int
    at: float


@dataclass(frozen=True)
class SpawnRequest:
    """A command for a new terminal. `env` is the whole environment; the host adds `BG_RUNNER_TERMINAL_ID`.

    `argv[0]` is looked up on the PATH of `env`. `cwd` None is the root directory. `log_bytes` bounds the log (bytes).
    """

    id: str
    argv: Sequence[str]
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    rows: int = 24
    cols: int = 80
    log_bytes: int = DEFAULT_LOG_BYTES


@dataclass(frozen=True)
class TerminalInfo:
    """A terminal as the host sees it. `cursor` is the end of its log (bytes), `dropped` what a full disk cost (bytes).

    `supervisor` is the parent of everything that the terminal started, orphans included; it lives as long as they do.
    `started_at` is s since the epoch. `exit` is set exactly when `state` is "exited".
    """

    id: str
    state: Literal["running", "exited"]
    pid: int
    pid_started: int
    supervisor: int
    supervisor_started: int
    cursor: int
    rows: int
    cols: int
    started_at: float
    exit: Exit | None = None
    dropped: int = 0

    @property
    def main_process(self) -> ProcessId:
        return ProcessId(self.pid, self.pid_started)

    @property
    def supervisor_process(self) -> ProcessId:
        return ProcessId(self.supervisor, self.supervisor_started)
