"""Short progress lines, and commands that are shown before they run."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LAST_LINES = 12


class SetupError(Exception):
    """Something that the set-up cannot go on without; the message says how to mend it."""


def say(message: str) -> None:
    """One line of progress, at once: the commands that follow write to the same terminal."""
    print(f"==> {message}", flush=True)


def warn(problem: str, *commands: str) -> None:
    """A problem that the set-up goes on in spite of, and the exact commands that mend it."""
    print(f"!!  {problem}", file=sys.stderr, flush=True)
    for command in commands:
        print(f"!!    {command}", file=sys.stderr, flush=True)


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = CHECKOUT,
    timeout: float = 1800,
    talkative: bool = False,
) -> bool:
    """Show a command, run it with its output on ours, and say how long it took if that was noticeable.

    `timeout` is in seconds. Of a `talkative` program only the last lines are shown, and those only if it fails.
    Returns whether it succeeded; a program that is missing or too slow did not.
    """
    words = [str(word) for word in command]
    print(f"    $ {shlex.join(words)}", flush=True)
    started = time.monotonic()
    to = subprocess.PIPE if talkative else None
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=to,
            stderr=subprocess.STDOUT if talkative else None,
            timeout=timeout,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"    {error}", file=sys.stderr, flush=True)
        return False
    if talkative and done.returncode != 0:
        last_lines = done.stdout.decode(errors="replace").splitlines()[-LAST_LINES:]
        print("\n".join(f"      {line}" for line in last_lines), file=sys.stderr, flush=True)
    took = time.monotonic() - started
    if took >= 1:
        print(f"      {took:.1f} s", flush=True)
    return done.returncode == 0
