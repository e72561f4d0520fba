"""The floor for shell tasks: `true` on a PTY of its own, N times, nothing else. Prints the seconds."""

from __future__ import annotations

import os
import sys
import time

from ptyprocess import PtyProcess


def spawn_and_wait() -> None:
    """Not `PtyProcess.close`, nor its destructor: both sleep for 0.1 s."""
    pty = PtyProcess.spawn(["/bin/sh", "-c", "true"])
    os.waitpid(pty.pid, 0)
    pty.fileobj.close()
    pty.closed = True


def main() -> None:
    began = time.perf_counter()
    for _ in range(int(sys.argv[1])):
        spawn_and_wait()
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
