"""Supervisors of the PTY host: forking them, keeping one ready, handing them their command."""

from __future__ import annotations

import os
import resource
import selectors
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from bg_runner.terminals.fork_server import ForkServer
from bg_runner.terminals.host_channel import Channel
from bg_runner.terminals.host_terminal import Terminal
from bg_runner.terminals.identity import ProcessId
from bg_runner.terminals.output import LogWriter, log_directory
from bg_runner.terminals.process_table import process_id
from bg_runner.terminals.processes import supervisor_mark
from bg_runner.terminals.protocol import Message, host_key

SPARE_PAUSE = 1.0


class Spawner:
    """Has supervisors forked. A spare one waits, so that a spawn does not wait for a fork."""

    def __init__(
        self,
        data_dir: Path,
        selector: selectors.BaseSelector,
        on_message: Callable[[Channel[Terminal], Message], None],
        on_close: Callable[[Channel[Terminal]], None],
        changed: Callable[[Terminal], None],
        call_later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._data_dir = data_dir
        self._key = host_key(data_dir)
        self._selector = selector
        self._on_message = on_message
        self._on_close = on_close
        self._changed = changed
        self._call_later = call_later
        self._spare: tuple[ProcessId, Channel[Terminal]] | None = None
        self._next_spare = 0.0
        self._links: dict[int, Channel[Terminal]] = {}
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._fork_server = ForkServer(self._key, soft, selector, self.ended)

    def prepare(self) -> None:
        """Have a spare supervisor. Without one (no more processes allowed) the next spawn tries again."""
        if self._spare is not None and self._spare[1].closed:
            # Something kills them: do not feed it as fast as we can.
            self._spare, self._next_spare = None, time.monotonic() + SPARE_PAUSE
            self._call_later(SPARE_PAUSE, self.prepare)
        if self._spare is None and time.monotonic() >= self._next_spare:
            try:
                self._spare = self._fork()
            except OSError:
                self._spare = None

    def dismiss(self) -> None:
        """Let the spare one go."""
        if self._spare is not None:
            self._spare[1].close()
            self._spare = None

    def spawn(self, request: Message) -> Terminal:
        """Begin to start a command: the supervisor answers later. Raises: OSError."""
        terminal_id, rows, cols = cast("str", request["id"]), cast("int", request["rows"]), cast("int", request["cols"])
        log = LogWriter(log_directory(self._data_dir, terminal_id), cast("int", request["log_bytes"]), rows, cols)
        process, link = self._take()
        terminal = Terminal(terminal_id, log, (rows, cols), process, link, self._changed)
        terminal.request = request
        self._assign(terminal, link)
        return terminal

    def spawn_again(self, terminal: Terminal) -> None:
        """The supervisor was lost before the command began: use another one. Raises: OSError."""
        terminal.supervisor, link = self._take()
        self._assign(terminal, link)

    def ended(self, pid: int) -> None:
        """A process ended; if it was a supervisor, hear its last words."""
        link = self._links.pop(pid, None)
        if link is not None:
            self._call_later(0.0, link.finish)  # Not in the middle of a fork.

    def _take(self) -> tuple[ProcessId, Channel[Terminal]]:
        if self._spare is None or self._spare[1].closed:
            self._spare = self._fork()
        taken, self._spare = self._spare, None
        return taken

    def _assign(self, terminal: Terminal, link: Channel[Terminal]) -> None:
        terminal.link, link.owner = link, terminal
        terminal.attempts += 1
        link.send(terminal.request)  # For the process that becomes the command ...
        mark = supervisor_mark(self._key, terminal.id)
        link.send_frame(b"m", [mark] if mark >= 0 else [])  # ... and for its supervisor.
        if mark >= 0:
            os.close(mark)

    def _fork(self) -> tuple[ProcessId, Channel[Terminal]]:
        ours, theirs = socket.socketpair()
        try:
            pid = self._fork_server.fork(theirs)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        link = Channel(ours, self._selector, self._on_message, self._on_close)
        self._links[pid] = link
        return process_id(pid) or ProcessId(pid, 0), link
