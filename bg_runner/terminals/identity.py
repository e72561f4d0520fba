"""The few things that the PTY host shares with everybody: ids, process ids, exits.

Named tuples and not dataclasses, because `dataclasses` would make each fork of the host a sixth more expensive.
"""

from __future__ import annotations

import re
from typing import NamedTuple

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
ID_VARIABLE = "BG_RUNNER_TERMINAL_ID"
HOST_VARIABLE = "BG_RUNNER_TERMINAL_HOST"
DEFAULT_LOG_BYTES = 64 * 1024 * 1024


def check_id(terminal_id: str) -> str:
    """Return `terminal_id` if it is a valid one: it becomes a directory's name. Raises: ValueError."""
    if not ID_PATTERN.fullmatch(terminal_id):
        raise ValueError(f"not a terminal id: {terminal_id!r}")
    return terminal_id


class ProcessId(NamedTuple):
    """A process, safe against reuse of its pid.

    `started` is the start time as the kernel gives it: clock ticks since boot on Linux (field 22 of /proc/PID/stat),
    hundredths of a second since the epoch elsewhere (there compared with a tolerance).
    """

    pid: int
    started: int


class Exit(NamedTuple):
    """How a terminal's main process ended: by `code` or by `signal` (the other is None; both are if nobody saw it).

    `cursor` is the end of the log (bytes) when the PTY had been read to its end, `at` the time (s since the epoch).
    """

    code: int | None
    signal: int | None
    cursor: int
    at: float
