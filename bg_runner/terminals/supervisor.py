"""One supervisor for each terminal: a fork of the small PTY host, parent of everything the terminal starts.

It is a subreaper: whatever its tree orphans (setsid, nohup, double fork, cleared environment) becomes its child and
stays attributable. It lives as long as it has children, so "the supervisor is gone" means "the tree is empty".

Forking is the slow part of a spawn, so both forks happen ahead of it: the spare supervisor has forked its PTY child
already, which waits between fork and exec for its command. Both read one socket from the host. The first frame is the
command, for the child. A single byte follows for the supervisor, and with it the memory file by whose name it can be
found (`supervisor_mark`); it answers with the child's pid, its line of /proc and the PTY's master. Later comes
`{"signal": n}`, and out goes `{"exit": status}` when the main process ended. `{"release": true}` says that the terminal
is forgotten: the supervisor leaves, and its orphans go on under the host. If the host vanishes without that, the tree
is ended: nobody reads the PTY any more, and a rerun must not stand beside a first attempt that still lives.

There are as many of these processes as terminals. Each object that one uses is a page of memory that it no longer
shares with the others, so they leave to the host what can be left to it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import gc
import mmap
import os
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import termios
from typing import NoReturn, cast

from ptyprocess import PtyProcess

from bg_runner.terminals.identity import HOST_VARIABLE, ID_VARIABLE, ProcessId
from bg_runner.terminals.process_table import process_id, read_stat
from bg_runner.terminals.processes import SUPERVISOR_NAME, kill_tree
from bg_runner.terminals.protocol import FrameDecoder, Message, decode_body, encode, frame, receive_one

PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
GRACE_WITHOUT_HOST = 2.0
LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


def prctl(option: int, argument: int | bytes) -> None:
    """Best effort: only Linux has it."""
    if LIBC is not None:
        LIBC.prctl(option, argument, 0, 0, 0)


class _Pty(PtyProcess):  # type: ignore[misc]
    """What of ptyprocess the supervisor needs: `spawn`. The child sets its own size."""

    def __init__(self, pid: int, fd: int) -> None:
        """Without the buffers for reading and writing, which only the host does."""
        self.pid = pid
        self.fd = fd

    def __del__(self) -> None:
        """Not to close, sleep and kill, as ptyprocess's does: the supervisor decides."""

    def setwinsize(self, rows: int, cols: int) -> None:
        """The size that `spawn` was given is not the one that the command asked for meanwhile."""


class Supervisor:
    """Runs in the forked process; `run` never returns."""

    def __init__(self, host: socket.socket, key: str, soft_file_limit: int) -> None:
        self._host = host
        self._key = key
        self._soft_file_limit = soft_file_limit
        self._decoder = FrameDecoder()
        self._main = 0
        self._main_ended = False
        self._marks: list[int] = []

    def run(self) -> NoReturn:
        code = 1
        try:
            self._wake = detach(self._host, SUPERVISOR_NAME.encode())
            prctl(PR_SET_CHILD_SUBREAPER, 1)
            if self._spawn():
                self._supervise()
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _spawn(self) -> bool:
        """Have the PTY child ready, wait until it became the command, and tell the host. False if it did not."""
        taken = mmap.mmap(-1, 1)
        command = Command(self._host, self._key, self._soft_file_limit, taken)
        try:
            # What is named here is never executed: the child becomes the command before.
            pty = _Pty.spawn(["/bin/sh"], preexec_fn=command.run, pass_fds=(self._host.fileno(),))
        except OSError as error:
            self._tell({"error": str(error)})
            return False
        self._main = pty.pid
        if taken[0] == 0:
            # It was killed while it waited, so whatever the host asked for meanwhile has not begun.
            self._tell({"unused": True})
            return False
        named, self._marks, _, _ = socket.recv_fds(self._host, 1, 1)
        if not named:
            self._end_tree()
            return False
        # The host makes a start time of it: parsing costs memory, and this process has nothing else to parse.
        stat = read_stat(pty.pid).hex().encode()
        socket.send_fds(self._host, [frame(b'{"pid":%d,"stat":"%s"}' % (pty.pid, stat))], [pty.fd])
        os.close(pty.fd)  # The host's copy of the master is the only one.
        return True

    def _supervise(self) -> None:
        poll = select.poll()
        poll.register(self._host, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while self._reap():
            for descriptor, _ in poll.poll():
                if descriptor == self._wake:
                    drain(self._wake)
                elif not self._listen():
                    return

    def _reap(self) -> bool:
        """Collect the children that ended; False when none is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._main and not self._main_ended:
                self._main_ended = True
                self._tell({"exit": status})

    def _listen(self) -> bool:
        """Do what the host says; False if the supervisor shall leave."""
        try:
            data = self._host.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._end_tree()
            return False
        for message in self._decoder.feed(data):
            if "release" in message:
                return False
            if "signal" in message and not self._main_ended:
                # Not reaped yet, so neither the pid nor the group can be somebody else's.
                _signal_group(self._main, cast("int", message["signal"]))
        return True

    def _end_tree(self) -> None:
        """The host was killed."""
        me = process_id(os.getpid()) or ProcessId(os.getpid(), 0)
        kill_tree(me, grace=GRACE_WITHOUT_HOST)

    def _tell(self, message: Message) -> None:
        try:
            self._host.sendall(encode(message))
        except OSError:
            return  # The host is gone, which `_listen` will see.


class Command:
    """The PTY child between fork and exec: it waits for its command and becomes it."""

    def __init__(self, host: socket.socket, key: str, soft_file_limit: int, taken: mmap.mmap) -> None:
        self._host = host
        self._key = key
        self._soft_file_limit = soft_file_limit
        self._taken = taken  # One byte that the supervisor sees, too: whether the command was received.

    def run(self) -> NoReturn:
        """Raises: OSError with the reason, which ptyprocess carries over to the supervisor."""
        try:
            self._prepare()
            request = receive_one(self._host)
            if request is None:
                os._exit(0)  # The host ended, and this spare was never needed.
            self._taken[0] = 1
            self._become(request)
        except OSError:
            raise
        except BaseException as error:
            raise OSError(f"it could not be started: {error!r}") from None

    def _prepare(self) -> None:
        """Undo what exec would leave as the host needs it, and touch what is needed next.

        In a fork the first use of any object costs a page fault; nobody waits for these.
        """
        decode_body(b'{"argv": ["touch"], "rows": 24}')
        shutil.which("sh", path=os.defpath)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._soft_file_limit, hard))

    def _become(self, request: Message) -> NoReturn:
        env = cast("dict[str, str]", request["env"])
        env[ID_VARIABLE], env[HOST_VARIABLE] = cast("str", request["id"]), self._key
        argv = cast("list[str]", request["argv"])
        cwd = cast("str | None", request["cwd"]) or "/"
        size = struct.pack("HHHH", request["rows"], request["cols"], 0, 0)
        fcntl.ioctl(0, termios.TIOCSWINSZ, size)
        try:
            os.chdir(cwd)
        except OSError as error:
            raise OSError(f"the directory {cwd} cannot be entered: {error.strerror}") from None
        program = shutil.which(argv[0], path=env.get("PATH", os.defpath))
        if program is None:
            where = "" if "/" in argv[0] else " on the PATH"
            raise OSError(f"the program {argv[0]!r} was not found{where}, or is not executable")
        try:
            os.execve(program, [program, *argv[1:]], env)  # noqa: S606 (no shell: that is the point)
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise OSError("the command and its environment are too long for the system (E2BIG)") from None
            raise OSError(f"the program {program} cannot be started: {error.strerror}") from None


def detach(host: socket.socket, name: bytes) -> int:
    """In a fork: drop everything that belongs to the parent but `host`; a descriptor that is readable after signals.

    The host's lock lives as long as any copy of its descriptor.
    """
    gc.disable()
    wake_read, wake_write = os.pipe()
    for descriptor in (wake_read, wake_write):
        os.set_blocking(descriptor, False)
    keep = sorted({host.fileno(), wake_read, wake_write})
    for before, after in zip([2, *keep], [*keep, os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(before + 1, after)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    prctl(PR_SET_NAME, name)
    return wake_read


def drain(descriptor: int) -> None:
    """Read what a non-blocking descriptor holds."""
    try:
        while len(os.read(descriptor, 512)) == 512:
            pass
    except BlockingIOError:
        return


def _signal_group(group: int, signum: int) -> None:
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        return
