"""Sessions in tmux. Plain calls of `tmux` with argument lists: every operation is one short call, made atomic by tmux
itself, where libtmux would ask several times, and put names and values into formats."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from subprocess import CompletedProcess

from bg_runner.errors import NativeSessionFailed
from bg_runner.terminals.identity import ProcessId
from bg_runner.terminals.native import (
    GRACE,
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
    wrong,
)
from bg_runner.terminals.process_table import ZOMBIE, look
from bg_runner.terminals.processes import Killed

OLDEST = (3, 0)
MARK = "@bg_runner"
NUDGES = 20
NUDGE_PATIENCE = 0.01

# tmux gives one word to a shell, several to execvp: so there are always two. `env` becomes the tool, with its pid.
_LAUNCHER = "/usr/bin/env"
_PANE = "|".join(
    f"#{{{name}}}"
    for name in (
        MARK,
        "pid",
        "pane_pid",
        "pane_dead",
        "pane_dead_status",
        "pane_dead_signal",
        "session_attached",
        "session_name",
    )
)
# What tmux itself decides in a pane.
_OF_TMUX = ("TERM", "TMUX", "TMUX_PANE")
_NO_SERVER = ("no server running", "No such file or directory", "Connection refused", "lost server", "server exited")
_NO_SESSION = ("can't find", "no such session", "session not found")


class _Pane:
    """One line of `list-panes -F _PANE`."""

    def __init__(self, line: str) -> None:
        self.mark, server, pid, dead, code, signum, attached, self.session = line.split("|", 7)
        self.server, self.pid, self.attached = int(server), int(pid), int(attached or 0)
        self.is_dead = dead == "1"
        self.code = int(code) if code.isdigit() else None
        self.signal = int(signum) if signum.isdigit() and signum != "0" else None
        if self.signal is not None:
            self.code = None

    def is_unnoticed(self) -> bool:
        """Whether the tool has ended and tmux has not asked how: now and then it misses an early end (tmux #2679)."""
        process = look(self.pid)
        return process is not None and process.state in ZOMBIE and process.parent == self.server

    def nudge(self) -> None:
        """Tell tmux again what the kernel told it: that a child has ended."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.server, signal.SIGCHLD)

    @property
    def main(self) -> ProcessId | None:
        """The tool's process; a stranger that got its pid has another parent."""
        return None if self.is_dead else living(self.pid, parent=self.server)


class TmuxSessions:
    """A `NativeSessionManager`. `socket_name` is tmux's -L, `socket_path` its -S; without either the user's own server.

    `grace` are the seconds between TERM and KILL.
    """

    def __init__(
        self, *, socket_name: str | None = None, socket_path: Path | None = None, grace: float = GRACE
    ) -> None:
        if socket_name is not None and (
            socket_path is not None or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", socket_name)
        ):
            raise wrong("tmux socket", "a plain name, or a path instead")
        self._grace = grace
        self._where: list[str] = []
        if socket_path is not None:
            quoted(str(socket_path))  # refuses what cannot be pasted
            self._where = ["-S", str(socket_path.absolute())]
        elif socket_name is not None:
            self._where = ["-L", socket_name]
        directory = Path(os.environ.get("TMUX_TMPDIR") or "/tmp").resolve() / f"tmux-{os.getuid()}"  # noqa: S108 (tmux's)
        self._socket = (socket_path or directory / (socket_name or "default")).absolute()

    def create(self, tool: NativeTool, session_id: str, rows: int, cols: int) -> NativeSession:
        check_tool(tool, rows, cols)
        native_id = native_session_id(tool.name, session_id)
        _, version = self._program
        env = {name: value for name, value in tool.env.items() if name not in _OF_TMUX}
        env[TAG_VARIABLE] = self._tag(native_id)
        # An unattached client's own PATH wins over -e, and its directory needs no -c, which would be a format.
        client = base_environment() | ({"PATH": env["PATH"]} if "PATH" in env else {})
        done = self._run(*creation(native_id, tool, env, rows, cols, version), env=client, cwd=tool.cwd)
        if done.returncode == 0:
            return NativeSession(native_id, self.attach_command(native_id), int(done.stdout.split()[0]))
        said = done.stderr.strip()
        if "duplicate session" in said:
            raise NativeSessionFailed(f"there is a tmux session {native_id} already")
        with contextlib.suppress(NativeSessionFailed):
            self.kill(native_id)
        if "too long" in said:
            hint = "tmux takes about 16 KB of arguments and environment together. Put long texts into a file."
            raise NativeSessionFailed(f"the command of {native_id} is too long for tmux", hint=hint)
        raise NativeSessionFailed(f"tmux could not start {native_id}: {said or 'it gave no reason'}")

    def check_status(self, native_id: str) -> NativeStatus:
        pane = self._pane(native_id)
        for _ in range(NUDGES):
            if pane is None or not pane.is_unnoticed():
                break
            pane.nudge()
            time.sleep(NUDGE_PATIENCE)
            pane = self._pane(native_id)
        if pane is None:
            return NativeStatus("gone")
        if pane.is_dead or pane.is_unnoticed():
            return NativeStatus("exited", pane.code, pane.signal, attached_clients=pane.attached)
        return NativeStatus("running", pid=pane.pid, attached_clients=pane.attached)

    def kill(self, native_id: str) -> Killed:
        try:
            pane = self._pane(native_id)
            failed = None
        except NativeSessionFailed as error:
            pane, failed = None, error
        # Also without a session: what it left behind lives on when somebody killed it, or its server, from outside.
        killed = end_tree(pane.main if pane else None, self._tag(native_id), self._grace)
        if failed is not None:
            raise failed
        if pane is not None:
            self._ask("kill-session", "-t", f"={native_id}")
        return killed

    def list(self) -> Sequence[str]:
        return sorted({pane.session for pane in self._panes("-a") if is_native_id(pane.session)})

    def attach_argv(self, native_id: str) -> Sequence[str]:
        return ["tmux", "-u", *self._where, "attach", "-t", f"={check_native_id(native_id)}"]

    def attach_command(self, native_id: str) -> str:
        # Without `=`, which zsh takes for a program's path; an exact name comes first, and no id begins another.
        return " ".join(["tmux", *map(quoted, self._where), "attach", "-t", check_native_id(native_id)])

    @cached_property
    def _program(self) -> tuple[str, tuple[int, int]]:
        """Its path, because a tool's PATH need not lead to it, and its version. Raises: NativeToolMissing."""
        path = shutil.which("tmux", path=base_environment()["PATH"])
        if path is None:
            raise missing("tmux")
        said = run([path, "-V"], base_environment()).stdout
        version = parse_version(said)
        if version < OLDEST:
            raise missing("tmux", f"is too old ({said.strip() or 'unknown version'}; 3.0 or newer is needed)")
        return path, version

    def _tag(self, native_id: str) -> str:
        return f"tmux:{self._socket}:{check_native_id(native_id)}"

    def _pane(self, native_id: str) -> _Pane | None:
        """The pane that we started the tool in; people may have split its window since."""
        panes = self._panes("-s", "-t", f"={check_native_id(native_id)}")
        return next((pane for pane in panes if pane.mark == native_id), None)

    def _panes(self, *which: str) -> Sequence[_Pane]:
        lines = self._ask("list-panes", *which, "-F", _PANE).splitlines()
        panes = [_Pane(line) for line in lines if not line.startswith("|")]
        return [pane for pane in panes if pane.mark == pane.session]

    def _ask(self, *command: str) -> str:
        """What tmux answers; nothing if the server or the session does not exist."""
        done = self._run(*command, env=base_environment())
        if done.returncode == 0:
            return done.stdout
        if any(words in done.stderr for words in _NO_SERVER + _NO_SESSION):
            return ""
        raise NativeSessionFailed(f"tmux {command[0]} failed: {done.stderr.strip() or 'it gave no reason'}")

    def _run(self, *command: str, env: dict[str, str], cwd: str = "/") -> CompletedProcess[str]:
        return run([self._program[0], "-u", *self._where, *command], env, cwd)


def creation(
    native_id: str, tool: NativeTool, env: dict[str, str], rows: int, cols: int, version: tuple[int, int]
) -> list[str]:
    """The words that make a session, in one go: no exit is so early that its code is lost.

    Its pane stays with its exit code, is marked as ours, and no setting of the user ends the session while nobody
    looks. Other panes behave as the user likes.
    """
    settings = [f"{name}={value}" for name, value in env.items()]
    has_e = version >= (3, 2)
    variables = [word for setting in settings for word in ("-e", setting)] if has_e else []
    launch = [_LAUNCHER, *([] if has_e else settings), *tool.argv]
    new = ["new-session", "-d", "-P", "-F", "#{pane_pid}", "-s", native_id, "-x", str(cols), "-y", str(rows)]
    scope, target = "-p" if version >= (3, 1) else "-w", f"={native_id}:"
    return [
        *new,
        *map(literal, variables),
        "--",
        *map(literal, launch),
        ";",
        *("set-option", scope, "-t", target, "remain-on-exit", "on", ";"),
        *("set-option", scope, "-t", target, MARK, native_id, ";"),
        *("set-option", "-t", target, "destroy-unattached", "off"),
    ]


def literal(word: str) -> str:
    r"""A word that tmux takes as it is: it ends a command at a word with `;` at its end, unless it is `\;`."""
    return f"{word[:-1]}\\;" if word.endswith(";") else word


def parse_version(said: str) -> tuple[int, int]:
    """`tmux 3.3a` -> (3, 3), `tmux next-3.5` -> (3, 5); a build without a number is a new one, no answer an old one."""
    found = re.search(r"(\d+)\.(\d+)", said)
    if found:
        return int(found[1]), int(found[2])
    return (99, 0) if said.startswith("tmux") else (0, 0)
