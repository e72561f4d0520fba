"""Both servers of the terminal parts: ours as shipped, and terminado; and the log that their terminals print."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.server import PROJECT, Server, running_server

SHELL = "/bin/bash"
SEED = 7


@dataclass(frozen=True)
class Side:
    """A server that a client program can be pointed at; `name` is what `terminal_client.SIDES` calls it."""

    name: str
    base: str
    token: str
    process: psutil.Process
    server: Server | None = None

    def processes(self) -> list[psutil.Process]:
        """The server, and the host of its terminals if that is another process."""
        return [self.process, *filter(None, [self.server.host() if self.server else None])]

    def terminal(self, name: str) -> str:
        """The address of the WebSocket of a new terminal with a shell."""
        if self.server is None:
            return f"{self.base}/ws/{name}"
        created = self.server.api.call("POST", "/api/terminals", {"command": f"exec {SHELL} --norc --noprofile"})[1]
        data = created["data"]
        assert isinstance(data, dict)
        return f"{self.base}/api/v1/terminal/ws/{data['terminalId']}?rows=24&cols=80"


@contextlib.contextmanager
def our_side(**settings: object) -> Iterator[Side]:
    """Our server as shipped; `settings` differ."""
    with running_server(**settings) as server:  # type: ignore[arg-type]  # Names of settings, not its own.
        yield Side("ours", server.address.replace("http", "ws", 1), server.token, server.process, server)


@contextlib.contextmanager
def terminado_side() -> Iterator[Side]:
    """terminado in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers.terminado_server"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as popen:
        try:
            assert popen.stdout is not None
            port = int(popen.stdout.readline())
            yield Side("terminado", f"ws://127.0.0.1:{port}", "", psutil.Process(popen.pid))
        finally:
            popen.send_signal(signal.SIGTERM)
            popen.wait(20)


def start_client(program: str, side: Side, *arguments: object) -> subprocess.Popen[str]:
    """`benchmarks/<program>.py` as a client process that prints one JSON value."""
    command = [sys.executable, "-m", f"benchmarks.{program}", side.name, side.token or "-", *map(str, arguments)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer_of(client: subprocess.Popen[str]) -> Any:
    """What it printed. Raises: RuntimeError with what it said instead."""
    printed, said = client.communicate(timeout=600)
    if client.returncode:
        raise RuntimeError(f"the client failed: {said[-2000:]}")
    return json.loads(printed)


def write_log(path: Path, size: int) -> int:
    """A coloured log of about `size` bytes as programs print them; returns what a terminal makes of it (`\\r\\n`)."""
    rng = random.Random(SEED)
    words = [
        "request",
        "worker",
        "cache miss",
        "retrying",
        "完成",
        "connected to",
        "upstream",
        "took",
        "GET",
        "/api/v1",
    ]
    levels = ["\x1b[32mINFO\x1b[0m", "\x1b[1;33mWARN\x1b[0m", "\x1b[31;1mERROR\x1b[0m", "\x1b[38;5;244mDEBUG\x1b[0m"]
    lines = [
        f"\x1b[90m2026-11-21T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.{rng.randrange(1000):03}"
        f"\x1b[0m {rng.choice(levels)} \x1b[36mservice.{rng.randrange(20)}\x1b[0m "
        f"{' '.join(rng.choices(words, k=rng.randrange(3, 10)))} \x1b[35m{rng.randrange(10**6)}\x1b[0m ms\n"
        for number in range(10_000)
    ]
    part = "".join(lines).encode()
    path.write_bytes((part * (size // len(part) + 1))[: max(size, 1)].rpartition(b"\n")[0] + b"\n")
    data = path.read_bytes()
    return len(data) + data.count(b"\n")
