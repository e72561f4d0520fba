"""From a request for a terminal to what the PTY host starts: shell, directory, environment, all checked before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bg_runner.errors import CwdMissing, CwdRefused, InvalidField, ShellMissing
from bg_runner.settings import Settings
from bg_runner.terminals.record import NewTerminal
from bg_runner.terminals.shell_integration import integrate


class Launch(NamedTuple):
    """What is started: `argv` in `cwd` with the whole environment `env`; `shell` is its name as it was chosen."""

    argv: list[str]
    cwd: str
    env: dict[str, str]
    shell: str


def default_shell(settings: Settings) -> str:
    return settings.shell or os.environ.get("SHELL") or "/bin/sh"


def child_environment(settings: Settings, extra: Mapping[str, str]) -> dict[str, str]:
    """What children of the server get: the allowed variables (`BG_RUNNER_CHILD_ENV`), a terminal type, and `extra`."""
    env = {name: os.environ[name] for name in settings.child_env if name in os.environ}
    env.setdefault("LANG", "C.UTF-8")
    env["TERM"] = "xterm-256color"
    return {**env, **extra}


def prepare(request: NewTerminal, settings: Settings) -> Launch:
    """Raises: InvalidField, ShellMissing, CwdMissing, CwdRefused."""
    _check_sizes(request, settings)
    shell = request.shell or default_shell(settings)
    program = shutil.which(shell)
    if program is None:
        raise ShellMissing(f"there is no shell {shell!r}", hint="Install it on the server or choose another one.")
    cwd = resolve_cwd(request.cwd, settings)
    env = child_environment(settings, {"COLORTERM": "truecolor", **request.env})
    if request.command is not None:
        return Launch([program, "-c", request.command], str(cwd), env, shell)
    argv = [program]
    if settings.shell_integration:
        argv, env = integrate(program, env)
    return Launch(argv, str(cwd), env, shell)


def resolve_cwd(cwd: str | None, settings: Settings) -> Path:
    """The directory with every link followed, inside the allowed roots. Raises: CwdMissing, CwdRefused."""
    roots = [root.expanduser().resolve() for root in settings.terminal_roots]
    if cwd is None:
        home = Path.home()
        wanted = home if not roots or _below(home.resolve(), roots) else roots[0]
    else:
        wanted = Path(cwd).expanduser()
        if not wanted.is_absolute():
            wanted = (roots[0] if roots else Path.home()) / wanted
    try:
        resolved = wanted.resolve(strict=True)
        is_there = resolved.is_dir()
    except (OSError, RuntimeError, ValueError):
        resolved, is_there = wanted.absolute(), False
    # Refused before missing: outside the roots nobody learns what exists.
    if roots and not _below(resolved, roots):
        raise CwdRefused(f"the directory {cwd} lies outside the allowed ones")
    if not is_there:
        raise CwdMissing(f"there is no directory {wanted}", hint="Make it on the server or correct `cwd`.")
    return resolved


def _below(path: Path, roots: list[Path]) -> bool:
    return any(path == root or root in path.parents for root in roots)


def _check_sizes(request: NewTerminal, settings: Settings) -> None:
    for field, text in (("command", request.command), ("shell", request.shell), ("cwd", request.cwd)):
        if text is not None and (not text or "\0" in text or not _encodable(text)):
            raise _wrong(field, "text without NUL, not empty")
        if text is not None and len(text) > settings.max_command_length:
            raise _wrong(field, f"at most {settings.max_command_length} characters")
    size = 0
    for name, value in request.env.items():
        if not name or "=" in name or "\0" in name + value or not _encodable(name + value):
            raise _wrong(f"env.{name}", "a name without =, and text without NUL")
        size += len(os.fsencode(name)) + len(os.fsencode(value)) + 2
    if size > settings.max_env_bytes:
        raise _wrong("env", f"at most {settings.max_env_bytes} bytes together")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wrong(field: str, allowed: str) -> InvalidField:
    return InvalidField(f"{field}: {allowed}", fields=[(field, allowed)])
