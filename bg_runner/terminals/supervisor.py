"""One supervisor for each terminal: a fork of the PTY host that is the parent of everything the terminal starts.

It is a subreaper: whatever its tree orphans (setsid, nohup, double fork, cleared environment) becomes its child and
stays attributable. It lives as long as it has children, so "the supervisor is gone" means "the tree is empty".

Talk with the host, over a socket pair: one spawn request comes in, the answer goes out with the PTY's master. Later
comes `{"signal": n}`, and out goes `{"exit": status}` when the main process ended. `{"release": true}` says that the
terminal is forgotten: the supervisor leaves, and its orphans go on under the host. If the host vanishes without that,
the tree is ended: nobody reads the PTY any more, and a rerun must not stand beside a first attempt that still lives.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import resource
import select
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn, cast

from ptyprocess import PtyProcess

from bg_runner.terminals.models import HOST_VARIABLE, ID_VARIABLE, ProcessId
from bg_runner.terminals.processes import SUPERVISOR_NAME, kill_tree, process_id, supervisor_mark
from bg_runner.terminals.protocol import FrameDecoder, Message, encode

PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
GRACE_WITHOUT_HOST = 2.0
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE)


def prctl(option: int, argument: int | bytes) -> None:
    """Best effort: only Linux has it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0)


class _Pty(PtyProcess):  # type: ignore[misc]
    """ptyprocess's destructor sleeps and kills; here the supervisor decides about both."""

    def __del__(self) -> None:
        self.fileobj.close()


class Supervisor:
    """Runs in the forked process; `run` never returns."""

    def __init__(self, host: socket.socket, key: str, soft_file_limit: int) -> None:
        self._host = host
        self._key = key
        self._soft_file_limit = soft_file_limit
        self._main = 0
        self._main_ended = False
        self._mark = -1

    def run(self) -> NoReturn:
        code = 1
        try:
            self._detach()
            request = self._host_request()
            if request is not None and self._spawn(request):
                self._supervise()
            code = 0
        finally:
            os._exit(code)

    def _detach(self) -> None:
        """Drop everything that belongs to the host. Its lock lives as long as any copy of the descriptor."""
        gc.disable()
        for signum in IGNORED:
            signal.signal(signum, signal.SIG_IGN)
        self._wake_read, self._wake_write = os.pipe()
        for descriptor in (self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)
        keep = sorted({self._host.fileno(), self._wake_read, self._wake_write})
        for before, after in zip([2, *keep], [*keep, os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(before + 1, after)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        prctl(PR_SET_NAME, SUPERVISOR_NAME.encode())

    def _host_request(self) -> Message | None:
        """The spawn request; None if the host ended before it had one."""
        self._decoder = FrameDecoder()
        while True:
            data = self._host.recv(65536)
            if not data:
                return None
            for message in self._decoder.feed(data):
                return message

    def _spawn(self, request: Message) -> bool:
        try:
            pty = self._start(request)
        except OSError as error:
            self._tell({"error": _describe(error, request)})
            return False
        self._main = pty.pid
        started = process_id(pty.pid)
        answer = encode({"pid": pty.pid, "started": started.started if started else 0, "fds": 1})
        socket.send_fds(self._host, [answer], [pty.fd])
        del pty  # Closes our copy of the master; the host's is the only one.
        return True

    def _start(self, request: Message) -> _Pty:
        """Raises: OSError, if the command cannot be executed."""
        terminal_id = cast("str", request["id"])
        env = {**cast("dict[str, str]", request["env"]), ID_VARIABLE: terminal_id, HOST_VARIABLE: self._key}
        argv = list(cast("list[str]", request["argv"]))
        cwd = Path(cast("str | None", request["cwd"]) or "/")
        found = shutil.which(argv[0], path=env.get("PATH", os.defpath)) if "/" not in argv[0] else argv[0]
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "not found on the PATH", argv[0])
        if not cwd.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "no such directory", str(cwd))
        argv[0] = str(cwd / found) if "/" in found else found
        self._mark = supervisor_mark(self._key, terminal_id)
        here = os.getpid()
        try:
            pty: _Pty = _Pty.spawn(
                argv,
                env=env,
                preexec_fn=lambda: self._prepare_child(cwd),
                dimensions=(request["rows"], request["cols"]),
            )
        except BaseException:
            if os.getpid() != here:
                os._exit(127)  # We are the child, and must not run on as a second supervisor.
            raise
        return pty

    def _prepare_child(self, cwd: Path) -> None:
        """Between fork and exec: what exec does not undo."""
        for signum in (*IGNORED, signal.SIGXFSZ, signal.SIGCHLD):
            signal.signal(signum, signal.SIG_DFL)
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (self._soft_file_limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
        os.chdir(cwd)

    def _supervise(self) -> None:
        poll = select.poll()
        poll.register(self._host, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while self._reap():
            for descriptor, _ in poll.poll():
                if descriptor == self._wake_read:
                    _drain(self._wake_read)
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
        for _ in range(10):
            kill_tree(me, grace=GRACE_WITHOUT_HOST)
            if not self._reap():
                return

    def _tell(self, message: Message) -> None:
        try:
            self._host.sendall(encode(message))
        except OSError:
            return  # The host is gone, which `_listen` will see.


def _drain(descriptor: int) -> None:
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


def _describe(error: OSError, request: Message) -> str:
    argv = cast("list[str]", request["argv"])
    if isinstance(error, NotADirectoryError) and error.filename == (request["cwd"] or "/"):
        return f"the directory {error.filename} does not exist"
    if error.errno == errno.E2BIG:
        return "the command and its environment are too long for the system (E2BIG)"
    if isinstance(error, FileNotFoundError):
        return f"the program {argv[0]!r} was not found"
    if isinstance(error, PermissionError):
        return f"the program {argv[0]!r} may not be executed, or the directory {request['cwd']!r} not be entered"
    return f"the program {argv[0]!r} cannot be started: {error.strerror or error}"
