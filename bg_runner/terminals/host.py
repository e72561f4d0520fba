"""The PTY host: `python -m bg_runner.terminals.host DATA_DIR [--ready FD] [--idle-grace SECONDS]`.

One process for a data directory, the only reader of every PTY. It outlives the server. It imports nothing but
ptyprocess and a small part of the standard library, since every terminal costs forks of it; and everything at its
start, since an upgrade may replace the files under it. `--ready` is a descriptor to write one byte to when a host
listens, `--idle-grace` how long to live on with nothing to do.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import socket
import sys
import time
from pathlib import Path

from bg_runner.terminals.host_loop import Host
from bg_runner.terminals.protocol import connecting_path, listening_path
from bg_runner.terminals.supervisor import PR_SET_CHILD_SUBREAPER, prctl

IDLE_GRACE = 3.0
LONGEST_START = 10.0
BACKLOG = 64
HANDLED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGCHLD,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)


def main() -> int:
    data_dir = Path(sys.argv[1]).resolve()
    options = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    ready, idle_grace = int(options.get("--ready", "-1")), float(options.get("--idle-grace", IDLE_GRACE))
    if ready >= 0:
        os.set_inheritable(ready, False)
    lock = _lock_or_other(data_dir)
    if lock >= 0:
        listener = _listen(data_dir)
        _settle()
    if ready >= 0:
        os.write(ready, b"\n")
        os.close(ready)
    if lock < 0:
        return 0
    try:
        Host(data_dir, listener, idle_grace).run()
    finally:
        _stop_listening(data_dir, listener)
    return 0


def _lock_or_other(data_dir: Path) -> int:
    """The locked descriptor of `host.lock`, or -1 when another host listens. Exits if neither comes true."""
    lock = os.open(data_dir / "host.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LONGEST_START
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _somebody_listens(data_dir):
                return -1
            time.sleep(0.005)  # It is just starting or just ending.
        else:
            os.truncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
            return lock
    sys.exit(f"another PTY host holds {data_dir / 'host.lock'} but does not listen")


def _somebody_listens(data_dir: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(connecting_path(data_dir)))
        except OSError:
            return False
    return True


def _listen(data_dir: Path) -> socket.socket:
    """Only under the lock: what lies at the path is a dead host's."""
    path = listening_path(data_dir)
    link = data_dir / "host.sock"
    for old in {path, link}:
        old.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(umask)
    listener.listen(BACKLOG)
    if path != link:
        link.symlink_to(path)
    return listener


def _stop_listening(data_dir: Path, listener: socket.socket) -> None:
    """The lock is still held, so the files are ours."""
    with contextlib.suppress(OSError):
        connecting_path(data_dir).unlink(missing_ok=True)
        (data_dir / "host.sock").unlink(missing_ok=True)
    listener.close()


def _settle() -> None:
    """Be what the supervisors are to be forks of. Of the signals only TERM ends the host, and what runs in it."""
    os.chdir("/")
    host = os.getpid()

    def on_signal(signum: int, _frame: object) -> None:
        if signum == signal.SIGTERM and os.getpid() == host:
            sys.exit(0)

    # Handlers and never SIG_IGN, because exec undoes a handler by itself: commands get the default of each.
    for signum in HANDLED:
        signal.signal(signum, on_signal)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
