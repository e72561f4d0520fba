"""What the PTY host is asked for and what it answers, as its clients see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bg_runner.terminals.identity import DEFAULT_LOG_BYTES, ID_VARIABLE, Exit, ProcessId, check_id

__all__ = ["DEFAULT_LOG_BYTES", "ID_VARIABLE", "Exit", "ProcessId", "SpawnRequest", "TerminalInfo", "check_id"]


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
