"""Native sessions: AI tools in tmux or GNU screen, so that a person resumes them from any machine (seed 002).

The protocol of both managers and what they share. All of it blocks: call it in threads. No user text becomes a name, a
target, a format or a line of a shell: names are generated, everything else is a separate word of an argument list.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from bg_runner.errors import CwdMissing, InvalidField, NativeSessionFailed, NativeToolMissing
from bg_runner.terminals.identity import ProcessId
from bg_runner.terminals.process_table import ZOMBIE, look
from bg_runner.terminals.processes import Killed, kill_tree

TAG_VARIABLE = "BG_RUNNER_NATIVE_SESSION"
PATIENCE = 20.0
GRACE = 5.0
BASE_VARIABLES = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "TMUX_TMPDIR")

_NATIVE_ID = re.compile(r"ai-[a-z0-9]+(?:-[a-z0-9]+)*-[0-9a-f]{8}")
_LONGEST_TOOL_NAME = 32
_PLAIN = re.compile(r"[A-Za-z0-9_@:,./+-]+")
_HOST = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9._:%-]*")
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?")
_NOBODY = ProcessId(0, 0)


class NativeTool(NamedTuple):
    """What is started: `argv` in the absolute directory `cwd` with the environment `env`; `name` gives the id its name.

    `env` is whole: PATH, HOME and LANG come from it, TERM from the multiplexer.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str


class NativeSession(NamedTuple):
    """A session that was started: `pid` is the tool's process, `attach_command` is a line to paste into any shell."""

    native_id: str
    attach_command: str
    pid: int


class NativeStatus(NamedTuple):
    """What is true now.

    `running`: the tool runs as `pid`. `exited`: it ended by `code` or by `signal` (both None if nobody saw how), its
    last screen can still be looked at. `gone`: there is no such session any more; how the tool ended is told if it is
    known all the same. `attached_clients` are the terminals that show the session.
    """

    state: Literal["running", "exited", "gone"]
    code: int | None = None
    signal: int | None = None
    pid: int | None = None
    attached_clients: int = 0


class NativeSessionManager(Protocol):
    """Seed 002's interface. Every method raises NativeToolMissing or NativeSessionFailed, InvalidField for a bad id."""

    def create(self, tool: NativeTool, session_id: str, rows: int, cols: int) -> NativeSession:
        """Start `tool` in a new session named after it and after the UUID `session_id`.

        Raises: InvalidField for what no program can be given, CwdMissing, NativeSessionFailed for an id that is used.
        """
        ...

    def check_status(self, native_id: str) -> NativeStatus:
        """Ask the multiplexer and the kernel, not a memory of ours."""
        ...

    def kill(self, native_id: str) -> Killed:
        """End the session and its whole process tree, also what left it by nohup or setsid. Harmless when gone."""
        ...

    def list(self) -> Sequence[str]:
        """The ids of our sessions that exist, ended tools included, sorted."""
        ...

    def attach_argv(self, native_id: str) -> Sequence[str]:
        """The command that attaches the terminal it runs in, for a terminal of the page."""
        ...

    def attach_command(self, native_id: str) -> str:
        """The same for people: one line that works when pasted into sh, bash, zsh and fish."""
        ...


@dataclass(frozen=True)
class SshServer:
    """Where people reach this machine. Raises: InvalidField for what cannot be a host, a port or a user."""

    host: str
    port: int
    user: str

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise wrong("ssh_host", "a host name or an address")
        if not 0 < self.port < 65536:
            raise wrong("ssh_port", "a port from 1 to 65535")
        if not _USER.fullmatch(self.user):
            raise wrong("ssh_user", "a user's name")


def ssh_command(server: SshServer, attach_command: str) -> str:
    """`ssh -t user@host '<attach_command>'`; the port is named if it is not 22."""
    port = [] if server.port == 22 else ["-p", str(server.port)]
    return " ".join(["ssh", "-t", *port, quoted(f"{server.user}@{server.host}"), quoted(attach_command)])


def quoted(text: str) -> str:
    r"""`text` as one word of sh, bash, zsh and fish alike. Raises: InvalidField for control characters.

    `shlex.quote` is not enough: fish reads `\\` in single quotes as one backslash, zsh replaces a leading `=`.
    """
    if any(character < " " or character == "\x7f" for character in text):
        raise wrong("text", "a line without control characters")
    if _PLAIN.fullmatch(text):
        return text
    pieces = re.findall(r"[^'\\]+|'|\\", text)
    words = {"'": '"\'"', "\\": '"\\\\"'}
    return "".join(words.get(piece, f"'{piece}'") for piece in pieces) or "''"


def native_session_id(tool_name: str, session_id: str) -> str:
    """`ai-<tool>-<first 8 of the UUID>`: `claude` and abc12345-... give `ai-claude-abc12345`. Raises: InvalidField."""
    try:
        begin = uuid.UUID(session_id).hex[:8]
    except ValueError:
        raise wrong("session_id", "a UUID") from None
    name = re.sub("[^a-z0-9]+", "-", tool_name.lower())[:_LONGEST_TOOL_NAME].strip("-")
    return f"ai-{name or 'tool'}-{begin}"


def is_native_id(text: str) -> bool:
    return _NATIVE_ID.fullmatch(text) is not None


def check_native_id(native_id: str) -> str:
    """Return `native_id` if it can be one of ours: it becomes a target and a file's name. Raises: InvalidField."""
    if not is_native_id(native_id):
        raise wrong("native_session_id", "an id like ai-claude-abc12345")
    return native_id


def check_tool(tool: NativeTool, rows: int, cols: int) -> None:
    """Raises: InvalidField, CwdMissing."""
    if not tool.argv or not tool.argv[0] or tool.argv[0].startswith("-") or "=" in tool.argv[0]:
        raise wrong("argv", "a program's name first: not empty, no leading -, no =")
    for word in [*tool.argv, tool.cwd, *tool.env, *tool.env.values()]:
        if "\0" in word:
            raise wrong("argv, env and cwd", "text without NUL")
    for name in tool.env:
        if not name or "=" in name:
            raise wrong("env", "names without =")
    if not (0 < rows <= 1000 and 0 < cols <= 1000):
        raise wrong("rows and cols", "from 1 to 1000")
    if not tool.cwd.startswith("/") or not Path(tool.cwd).is_dir():
        raise CwdMissing(f"there is no directory {tool.cwd}", hint="Make it on the server or correct it.")


def wrong(field: str, allowed: str) -> InvalidField:
    return InvalidField(f"{field}: {allowed}", fields=[(field, allowed)])


def base_environment() -> dict[str, str]:
    """What a multiplexer itself gets: nothing of ours that is secret, since its later windows inherit all of it."""
    env = {name: os.environ[name] for name in BASE_VARIABLES if name in os.environ}
    env |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    return {"PATH": os.defpath, "LANG": os.environ.get("LANG", "C.UTF-8"), **env}


def missing(program: str, what: str = "is not installed") -> NativeToolMissing:
    """The error with the command that installs `program`."""
    install = f"brew install {program}" if sys.platform == "darwin" else f"sudo apt-get install {program}"
    hint = f"Install it on the server: {install} (or with its own package manager)."
    return NativeToolMissing(f"{program} {what}", hint=hint)


def run(argv: Sequence[str], env: Mapping[str, str], cwd: str = "/") -> subprocess.CompletedProcess[str]:
    """Raises: NativeToolMissing, NativeSessionFailed for a multiplexer that does not answer."""
    try:
        return subprocess.run(
            argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NativeSessionFailed(f"{argv[0]} did not answer within {PATIENCE:g} s") from None
    except FileNotFoundError:
        if not Path(cwd).is_dir():
            raise CwdMissing(f"there is no directory {cwd}") from None
        raise missing(argv[0]) from None
    except (OSError, ValueError) as error:
        raise NativeSessionFailed(f"{argv[0]} could not be run: {error}") from error


def living(pid: int, *, parent: int | None = None, name: str | None = None) -> ProcessId | None:
    """The process that has `pid`, if it lives and has that parent or that name (in any case)."""
    process = look(pid)
    if process is None or process.state in ZOMBIE:
        return None
    if (parent is not None and process.parent != parent) or (name is not None and process.name.lower() != name):
        return None
    return process.id


def end_tree(main: ProcessId | None, tag: str, grace: float) -> Killed:
    """End `main`, all below it, and every process that carries our `tag` in its environment. Blocks: see kill_tree."""
    return kill_tree(_NOBODY, grace=grace, main=main, tag=(TAG_VARIABLE, tag))
