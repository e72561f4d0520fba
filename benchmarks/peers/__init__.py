"""The other side of each comparison: small programs, run in processes of their own, that print the seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def run_peer(name: str, *arguments: object) -> float:
    """The seconds that `benchmarks/peers/<name>.py` measured. Raises: RuntimeError with what it said instead."""
    command = [sys.executable, "-m", f"benchmarks.peers.{name}", *map(str, arguments)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    return float(done.stdout)
