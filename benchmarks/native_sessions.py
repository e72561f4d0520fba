"""(k) Starting a tool in tmux, beside a bare `tmux new-session -d` on the same server."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from benchmarks.report import Row, Size, in_turn, median
from bg_runner.terminals.native import NativeTool, base_environment
from bg_runner.terminals.tmux import TmuxSessions

PART = "native"
AIM = 2.0
ROUNDS: dict[Size, int] = {"full": 100, "small": 3}
TOOL = ["sleep", "1000"]


def measure(size: Size) -> list[Row]:
    """Milliseconds until the tool's pid is known; each session is ended again, untimed."""
    with tempfile.TemporaryDirectory(prefix="bgr") as directory:
        tmux = ["tmux", "-S", f"{directory}/sock"]
        env = base_environment() | {"HOME": directory}
        sessions = TmuxSessions(socket_path=Path(directory) / "sock")
        names = map(str, itertools.count())

        def call(*command: str) -> None:
            subprocess.run([*tmux, *command], env=env, check=True, capture_output=True)

        def ours() -> float:
            tool = NativeTool("bench", TOOL, env, directory)
            begin = time.perf_counter()
            session = sessions.create(tool, str(uuid.uuid4()), 24, 80)
            taken = time.perf_counter() - begin
            call("kill-session", "-t", f"={session.native_id}")
            return 1000 * taken

        def bare() -> float:
            name = f"bare{next(names)}"
            begin = time.perf_counter()
            call("new-session", "-d", "-s", name, "-x", "80", "-y", "24", *TOOL)
            taken = time.perf_counter() - begin
            call("kill-session", "-t", f"={name}")
            return 1000 * taken

        call("new-session", "-d", "-s", "stays", *TOOL)  # so that no round starts the server
        try:
            _ = sessions.list()  # asks for tmux's version, once for all
            made, made_bare = in_turn(ROUNDS[size], ours, bare)
        finally:
            call("kill-server")
    met = median(made) <= AIM * median(made_bare)
    what = "start a tool in a tmux session, until its pid is known (p50)"
    return [Row(PART, what, "ms", made, made_bare, "tmux new-session -d", f"<= {AIM:g} times", met)]
