"""What tests of native sessions share: terminals that people sit at, an sshd of our own, and an end for everything."""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import psutil
import ptyprocess

from bg_runner.terminals.emulator import new_emulator
from bg_runner.terminals.native import TAG_VARIABLE, NativeTool, SshServer
from bg_runner.terminals.process_table import ZOMBIE, process_table
from tests.conditions import wait_until

SIZE = (24, 80)
PATIENCE = 40.0
ADMIN_PATH = os.environ["PATH"] + ":/usr/sbin"


def tool(directory: Path, *argv: str, name: str = "claude", **env: str) -> NativeTool:
    """One argument is a script for sh; several are a command."""
    command = ["/bin/sh", "-c", *argv] if len(argv) == 1 else list(argv)
    whole = {"PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8", **env}
    return NativeTool(name, command, whole, str(directory))


class Person:
    """Somebody's terminal in which a command runs. Use as a context manager."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        environment = {"LANG": "C.UTF-8", "PATH": os.environ["PATH"], "TERM": "xterm-256color", **env}
        self._process = ptyprocess.PtyProcess.spawn(list(argv), env=environment, dimensions=SIZE, cwd="/")
        self._emulator = new_emulator(*SIZE)
        self._gone = False

    @property
    def text(self) -> str:
        """What the screen shows now."""
        while not self._gone and select.select([self._process.fd], [], [], 0)[0]:
            try:
                data = os.read(self._process.fd, 65536)
            except OSError:
                data = b""
            self._gone = not data
            answers = self._emulator.feed(data)
            if answers:
                os.write(self._process.fd, answers)
        return "\n".join(line.rstrip() for line in self._emulator.screen().lines)

    def type(self, line: str) -> None:
        self._process.write(line.encode() + b"\r")

    def wait_for(self, text: str) -> None:
        try:
            wait_until(lambda: text in self.text, PATIENCE)
        except AssertionError:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.text}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The window is closed."""
        for signum in (signal.SIGHUP, signal.SIGKILL):
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signum)
        self._process.close(force=True)


@contextlib.contextmanager
def at_a_shell(shell: Sequence[str], env: Mapping[str, str]) -> Iterator[Person]:
    """A person whose shell is ready for what will be pasted."""
    with Person(shell, env) as person:
        wait_until(lambda: bool(person.text.strip()), PATIENCE)
        person.type("echo re''ady")
        person.wait_for("\nready")
        yield person


class Sshd(NamedTuple):
    """`server` is where it listens; `bin` comes first on the PATH of people who have its key."""

    server: SshServer
    bin: Path


@contextlib.contextmanager
def running_sshd(directory: Path) -> Iterator[Sshd]:
    """An sshd on loopback with its own keys, for whoever runs the tests."""
    program, client = shutil.which("sshd", path=ADMIN_PATH), shutil.which("ssh")
    assert program, "no sshd on this machine; `make test` installs one"
    assert client, "no ssh on this machine; `make test` installs one"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    host_key, user_key = directory / "host_key", directory / "user_key"
    for key in (host_key, user_key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (directory / "bin").mkdir()
    wrapper = directory / "bin" / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {client} -F {directory}/ssh_config "$@"\n')
    wrapper.chmod(0o755)
    for _ in range(5):  # Somebody may take the port first.
        port = free_port()
        write_configuration(directory, port, host_key, user_key)
        command = [program, "-D", "-e", "-f", str(directory / "sshd_config")]
        with (directory / "sshd.log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
            try:
                wait_until(lambda: process.poll() is not None or accepts(port), PATIENCE)  # noqa: B023
                if process.poll() is None:
                    user = pwd.getpwuid(os.getuid()).pw_name
                    yield Sshd(SshServer("127.0.0.1", port, user), directory / "bin")
                    return
            finally:
                process.kill()
    raise AssertionError((directory / "sshd.log").read_text())


def write_configuration(directory: Path, port: int, host_key: Path, user_key: Path) -> None:
    (directory / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {host_key}\nPidFile none\n"
        f"AuthorizedKeysFile {user_key}.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n"
    )
    (directory / "ssh_config").write_text(
        f"IdentityFile {user_key}\nIdentitiesOnly yes\nUserKnownHostsFile {directory}/known_hosts\n"
        "GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\nLogLevel ERROR\n"
    )
    public = host_key.with_suffix(".pub").read_text()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def of_sessions_in(directory: Path) -> list[psutil.Process]:
    """Every living process whose environment says that it belongs to a session of `directory`."""
    return _living(lambda process: str(directory) in process.environ().get(TAG_VARIABLE, ""))


def end_everything(directory: Path) -> None:
    """Whatever a test left of sessions in `directory`, the servers of tmux and screen included."""
    doomed = _living(lambda process: str(directory) in str(process.environ()) + str(process.cmdline()))
    for process in doomed:
        with contextlib.suppress(psutil.Error):
            process.kill()
    # A zombie counts as ended: when an orphan is reaped is up to init.
    wait_until(lambda: not any(map(_lives, doomed)), PATIENCE)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _living(belongs: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Processes since the tests began, which on a busy machine are few."""
    began, found = psutil.Process().create_time(), []
    for pid, process in process_table().items():
        with contextlib.suppress(psutil.Error):
            if process.state not in ZOMBIE and pid != os.getpid():
                candidate = psutil.Process(pid)
                if candidate.create_time() >= began and belongs(candidate):
                    found.append(candidate)
    return found
