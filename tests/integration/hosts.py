"""What tests of the PTY host share: short ways to spawn, read and look at processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import psutil

from bg_runner.terminals.host_client import HostClient
from bg_runner.terminals.identity import Exit
from bg_runner.terminals.models import SpawnRequest, TerminalInfo
from bg_runner.terminals.output import LogReader, log_directory
from tests.conditions import wait_until

ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def host_process(data_dir: Path) -> psutil.Process | None:
    """The living host of a data directory."""
    try:
        process = psutil.Process(int((data_dir / "host.lock").read_text()))
        alive = process.status() != psutil.STATUS_ZOMBIE and str(data_dir) in " ".join(process.cmdline())
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
    return process if alive else None


def spawn(
    host: HostClient,
    terminal_id: str,
    *argv: str,
    env: Mapping[str, str] = ENV,
    cwd: str | None = None,
    log_bytes: int = 1 << 20,
    size: tuple[int, int] = (24, 80),
) -> TerminalInfo:
    """One argument is a script for bash; several are a command."""
    command = ["/bin/bash", "-c", *argv] if len(argv) == 1 else list(argv)
    rows, cols = size
    return host.spawn(SpawnRequest(terminal_id, command, cwd, env, rows, cols, log_bytes))


def run(host: HostClient, terminal_id: str, *argv: str, timeout: float = 20.0) -> tuple[Exit, bytes]:
    """Spawn, wait for the end; how it ended and its whole log."""
    spawn(host, terminal_id, *argv)
    ended = host.wait(terminal_id, timeout)
    assert ended is not None
    return ended, host_log(host, terminal_id)


def host_log(host: HostClient, terminal_id: str) -> bytes:
    return LogReader(log_directory(host.data_dir, terminal_id)).read(0, 1 << 24).data


def wait_for_output(host: HostClient, terminal_id: str, expected: bytes, timeout: float = 10.0) -> bytes:
    """Until the log holds `expected`; the log."""
    return wait_until(lambda: log if expected in (log := host_log(host, terminal_id)) else b"", timeout)


def is_running(pid: int) -> bool:
    """Whether `pid` lives and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
