"""A person with a terminal of their own: a real PTY, an emulator that draws it and answers it, and keys."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Mapping
from typing import Self

import ptyprocess

from bg_runner.terminals.emulator import Screen, new_emulator
from tests.conditions import wait_until
from tests.integration.server import PROJECT

READS = 500


class Person:
    """Runs `bg-runner ARGUMENTS` and looks at what it shows. Use as a context manager."""

    def __init__(
        self,
        *arguments: str,
        size: tuple[int, int] = (24, 80),
        answers: bool = True,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        """`size` is (rows, cols); with `answers` the terminal answers queries as a real one does."""
        command = [sys.executable, "-m", "bg_runner", *arguments]
        environment = {**env, "TERM": "xterm-256color"}
        self.process = ptyprocess.PtyProcess.spawn(command, cwd=str(PROJECT), env=environment, dimensions=size)
        self.shown = bytearray()
        self._emulator = new_emulator(*size)
        self._answers = answers
        self._gone = False

    def look(self) -> Screen:
        """The screen as it is now."""
        for _ in range(READS):  # Of a flood not all at once.
            if self._gone or not select.select([self.process.fd], [], [], 0)[0]:
                break
            try:
                data = os.read(self.process.fd, 65536)
            except OSError:
                data = b""
            self._gone = not data
            self.shown += data
            answers = self._emulator.feed(data)
            if answers and self._answers:
                os.write(self.process.fd, answers)
        return self._emulator.screen()

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.look().lines).rstrip()

    def wait_for(self, text: str, timeout: float = 30) -> None:
        """Until the screen shows `text`."""
        try:
            wait_until(lambda: text in self.text, timeout)
        except AssertionError:
            raise AssertionError(
                f"{text!r} is not on the screen:\n{self.text}\n{bytes(self.shown[-2000:])!r}"
            ) from None

    def type(self, keys: str | bytes) -> None:
        os.write(self.process.fd, keys.encode() if isinstance(keys, str) else keys)

    def resize(self, rows: int, cols: int) -> None:
        self.look()
        self._emulator.resize(rows, cols)
        self.process.setwinsize(rows, cols)

    def end(self, timeout: float = 30) -> int:
        """Wait until the command ends; its exit status."""
        wait_until(lambda: self.look() and not self.process.isalive(), timeout)
        self.look()
        status = self.process.exitstatus
        assert isinstance(status, int), f"ended by signal {self.process.signalstatus}"
        return status

    def close(self) -> None:
        if self.process.isalive():
            self.process.kill(signal.SIGKILL)
            with contextlib.suppress(ptyprocess.PtyProcessError):
                self.process.wait()
        self.process.close()
        self._emulator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
