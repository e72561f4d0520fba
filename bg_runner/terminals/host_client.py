"""Talking to the PTY host: `HostClient`, one for the data directory, for any thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bg_runner.terminals.models import Exit, SpawnRequest, TerminalInfo


@dataclass(frozen=True)
class WatchEvent:
    """Why a watch rang.

    - "output": the log has grown beyond the watch's cursor; `cursor` is its end now. Rings once, until `rearm`.
    - "exit": the program ended, everything it wrote is in the log, `exit` is set. Reported once.
    - "gone": the host was lost, or does not know this terminal. The watch is over; `HostClient.ensure` and look again.
    """

    kind: Literal["output", "exit", "gone"]
    cursor: int = 0
    exit: Exit | None = None


class Watch:
    """A one-shot bell on one terminal."""

    def rearm(self, cursor: int) -> None:
        """Ring when the log's end is beyond `cursor` or the program ends; at once if that is so already."""
        raise NotImplementedError

    def close(self) -> None:
        """No callback begins after this returns, unless it runs in the reader thread right now. Twice is fine."""
        raise NotImplementedError


class HostClient:
    """A connection to the PTY host of `data_dir`. Every method may be called from any thread.

    Every method but `ensure` and `close` raises HostGone when the connection is lost (or `ensure` was never called).
    """

    def __init__(self, data_dir: Path) -> None:
        raise NotImplementedError

    def ensure(self, *, start: bool = True) -> bool:
        """Be connected: to the living host if there is one, else to a new one (if `start`). True if connected now.

        Raises: HostGone if the host cannot be started or speaks no common protocol version.
        """
        raise NotImplementedError

    def spawn(self, request: SpawnRequest) -> TerminalInfo:
        """Start a command; if the id exists already, just return what it is. Raises: SpawnFailed, HostGone, ValueError."""
        raise NotImplementedError

    def info(self, terminal_id: str) -> TerminalInfo | None:
        """What the host knows of it; None if nothing (then `output.read_exit` may know more)."""
        raise NotImplementedError

    def list(self) -> tuple[TerminalInfo, ...]:
        raise NotImplementedError

    def write(self, terminal_id: str, data: bytes) -> None:
        """Type into the terminal. Raises: NotFound, TooMany (the program does not read and 1 MB waits already)."""
        raise NotImplementedError

    def resize(self, terminal_id: str, rows: int, cols: int) -> None:
        """Raises: NotFound."""
        raise NotImplementedError

    def signal(self, terminal_id: str, signum: int) -> None:
        """Signal the main process's group; nothing happens if it has ended. Raises: NotFound."""
        raise NotImplementedError

    def attach(self, terminal_id: str) -> int:
        """A duplicate of the master's descriptor, to write and resize directly; the caller closes it.

        It is non-blocking: EAGAIN means "full", not the end. Never read from it. Raises: NotFound (also after its end).
        """
        raise NotImplementedError

    def forget(self, terminal_id: str, *, delete_log: bool = False) -> None:
        """Drop an ended terminal; an unknown one is fine. Raises: Conflict while it runs."""
        raise NotImplementedError

    def watch(self, terminal_id: str, callback: Callable[[WatchEvent], None], *, cursor: int | None = 0) -> Watch:
        """Call `callback` from the reader thread when the log's end is beyond `cursor` (None: only at the exit).

        The callback must be quick; it may call `Watch.rearm` and `Watch.close`, no other method of the client.
        """
        raise NotImplementedError

    def wait(self, terminal_id: str, timeout: float | None = None) -> Exit | None:
        """Wait up to `timeout` seconds for the end; None if it still runs. Raises: HostGone, NotFound."""
        raise NotImplementedError

    def stop_host(self) -> None:
        """Let the host end as soon as it has no terminal, though this server is connected."""
        raise NotImplementedError

    def close(self) -> None:
        """Disconnect. Terminals run on. Open watches get "gone"."""
        raise NotImplementedError
