"""Sessions in GNU screen, each with a screen server of its own, in a private socket directory.

The exit code comes from `screen_window.py`, which runs between screen and the tool; the session stays when the tool has
ended (`zombie`), so that its last screen can be read.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bg_runner.errors import BgRunnerError, NativeSessionFailed
from bg_runner.files import sync_directory, write_durably
from bg_runner.terminals import screen_window
from bg_runner.terminals.identity import ProcessId
from bg_runner.terminals.native import (
    GRACE,
    PATIENCE,
    TAG_VARIABLE,
    NativeSession,
    NativeStatus,
    NativeTool,
    base_environment,
    check_native_id,
    check_tool,
    end_tree,
    is_native_id,
    living,
    missing,
    native_session_id,
    quoted,
    run,
)
from bg_runner.terminals.process_table import has_variable
from bg_runner.terminals.processes import Killed

CONFIGURATION = """\
startup_message off
defflowcontrol off
defutf8 on
defscrollback 10000
defnonblock on
autodetach on
vbell off
term screen-256color
zombie ^D^R
"""
LONGEST_SOCKET = 103  # sun_path has 104 bytes on macOS, 108 on Linux
RESCAN = 0.005

# What screen itself decides in a window, or would be led astray by.
_OF_SCREEN = ("TERM", "TERMCAP", "STY", "WINDOW", "SCREENDIR", "SCREENRC", "SYSSCREENRC")


class _Record(NamedTuple):
    """What `screen_window.py` wrote: the pids of itself and of the tool, and how that ended."""

    wrapper: int
    pid: int
    ended: bool
    code: int | None
    signal: int | None


class ScreenSessions:
    """A `NativeSessionManager`. Sockets, exit records and the configuration are in `directory` (mode 0700).

    `grace` are the seconds between TERM and KILL. A detached session has 80x24 until a terminal attaches: screen sizes
    windows after the terminals that show them, so `create`'s `rows` and `cols` are only checked.
    """

    def __init__(self, directory: Path, *, grace: float = GRACE) -> None:
        quoted(str(directory))  # refuses what cannot be pasted
        self._directory = directory.absolute()
        self._sockets = self._directory / "sockets"
        self._records = self._directory / "records"
        self._configuration = self._directory / "screenrc"
        self._grace = grace

    def create(self, tool: NativeTool, session_id: str, rows: int, cols: int) -> NativeSession:
        check_tool(tool, rows, cols)
        native_id = native_session_id(tool.name, session_id)
        self._prepare(native_id)
        self._reserve(native_id)
        try:
            env = {name: value for name, value in tool.env.items() if name not in _OF_SCREEN}
            env |= {TAG_VARIABLE: self._tag(native_id), "SCREENDIR": str(self._sockets)}
            window = [sys.executable, "-I", "-S", str(Path(screen_window.__file__)), str(self._record_path(native_id))]
            screen = [self._program(), "-U", "-c", str(self._configuration), "-dmS", native_id, "--"]
            done = run([*screen, *window, json.dumps(list(tool.argv))], env, tool.cwd)
            if done.returncode != 0:
                said = (done.stdout + done.stderr).strip() or "it gave no reason"
                raise NativeSessionFailed(f"screen could not start {native_id}: {said}")
            return NativeSession(native_id, self.attach_command(native_id), self._started(native_id).pid)
        except BgRunnerError:
            self.kill(native_id)
            raise

    def check_status(self, native_id: str) -> NativeStatus:
        record = self._record(native_id)
        server = self._server(native_id)
        code, signum = (record.code, record.signal) if record else (None, None)
        if server is None:
            return NativeStatus("gone", code, signum)
        clients = self._clients(native_id, server)
        if record is None:  # It is about to be written.
            return NativeStatus("running", attached_clients=clients)
        if record.ended or not has_variable(record.wrapper, (TAG_VARIABLE, self._tag(native_id))):
            # The wrapper may have ended between the two looks: only a second one tells whether it was killed.
            record = self._record(native_id) or record
            return NativeStatus("exited", record.code, record.signal, attached_clients=clients)
        return NativeStatus("running", pid=record.pid, attached_clients=clients)

    def kill(self, native_id: str) -> Killed:
        killed = end_tree(self._server(native_id), self._tag(native_id), self._grace)
        for path in [*self._socket_paths(native_id), self._record_path(native_id)]:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        with contextlib.suppress(OSError):
            sync_directory(self._records)
        return killed

    def list(self) -> Sequence[str]:
        names = {path.name.partition(".")[2] for path in self._entries()}
        return sorted(name for name in names if is_native_id(name) and self._server(name) is not None)

    def attach_argv(self, native_id: str) -> Sequence[str]:
        # -x and not the seed's -r: that one refuses while another terminal is attached.
        socket_directory = f"SCREENDIR={self._sockets}"
        return ["env", socket_directory, "screen", "-U", "-x", check_native_id(native_id)]

    def attach_command(self, native_id: str) -> str:
        # `env`, because not every shell takes NAME=VALUE before a command.
        where = f"SCREENDIR={quoted(str(self._sockets))}"
        return f"env {where} screen -U -x {check_native_id(native_id)}"

    @staticmethod
    def _program() -> str:
        program = shutil.which("screen", path=base_environment()["PATH"])
        if program is None:
            raise missing("screen")
        return program

    def _prepare(self, native_id: str) -> None:
        """Raises: NativeToolMissing, NativeSessionFailed, StorageFailed."""
        self._program()
        longest = self._sockets / f"{2**22}.{native_id}"
        if len(os.fsencode(longest)) > LONGEST_SOCKET:
            raise NativeSessionFailed(f"the path {longest} is too long for a socket", hint="Use a shorter directory.")
        try:
            for directory in (self._directory, self._sockets, self._records):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                directory.chmod(0o700)
            is_written = self._configuration.exists() and self._configuration.read_text() == CONFIGURATION
        except OSError as error:
            raise NativeSessionFailed(f"{self._directory} cannot be used: {error.strerror}") from error
        if not is_written:
            write_durably(self._configuration, CONFIGURATION.encode())

    def _reserve(self, native_id: str) -> None:
        try:
            os.close(os.open(self._record_path(native_id), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise NativeSessionFailed(f"there is a screen session {native_id} already, or was one") from None
        except OSError as error:
            raise NativeSessionFailed(f"{self._records} cannot be written: {error.strerror}") from error

    def _started(self, native_id: str) -> _Record:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            record = self._record(native_id)
            if record is not None:
                return record
            time.sleep(RESCAN)
        raise NativeSessionFailed(f"nothing started in the screen session {native_id}")

    def _record_path(self, native_id: str) -> Path:
        return self._records / f"{check_native_id(native_id)}.json"

    def _record(self, native_id: str) -> _Record | None:
        try:
            told = self._record_path(native_id).read_bytes()
            return _Record(**json.loads(told)) if told else None
        except (OSError, ValueError, TypeError):
            return None

    def _tag(self, native_id: str) -> str:
        return f"screen:{self._sockets}:{check_native_id(native_id)}"

    def _entries(self) -> Sequence[Path]:
        """Sockets are named `<pid of the screen server>.<native id>`."""
        try:
            return [path for path in self._sockets.iterdir() if path.name.partition(".")[0].isdigit()]
        except OSError:
            return []

    def _socket_paths(self, native_id: str) -> Sequence[Path]:
        return [path for path in self._entries() if path.name.partition(".")[2] == check_native_id(native_id)]

    def _server(self, native_id: str) -> ProcessId | None:
        """The screen server that holds the session. Known by its name: a setgid one hides its environment."""
        pids = [int(path.name.partition(".")[0]) for path in self._socket_paths(native_id)]
        return next(filter(None, (living(pid, name="screen") for pid in pids)), None)

    def _clients(self, native_id: str, server: ProcessId) -> int:
        """How many terminals the screen server has opened; where the kernel hides that: 1 if there is any."""
        descriptors = Path(f"/proc/{server.pid}/fd")
        try:
            targets = {str(path.readlink()) for path in descriptors.iterdir()}
        except OSError:
            with contextlib.suppress(OSError, IndexError):
                return int(bool(self._socket_paths(native_id)[0].stat().st_mode & stat.S_IXUSR))
            return 0
        return len([target for target in targets if target.startswith(("/dev/pts/", "/dev/tty"))])
