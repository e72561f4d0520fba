"""The loop of the PTY host: one thread that reads every PTY, keeps the logs, and serves its clients.

It never waits for a client, a supervisor or a PTY. Work on a terminal is done in turns, so that one that floods does
not starve the others. Idle terminals cost nothing: no timer runs for them.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from bg_runner.terminals.host_channel import Channel
from bg_runner.terminals.host_operations import OperationError, Operations
from bg_runner.terminals.host_spawner import Spawner
from bg_runner.terminals.host_terminal import Client, Terminal
from bg_runner.terminals.process_table import told_process
from bg_runner.terminals.protocol import Message, peer_uid

RETRY = 1.0
SPAWN_ATTEMPTS = 3
UNKNOWN_STATUS = -1


class Host:
    """`run` returns when no terminal is left and no client has been connected for `idle_grace` seconds."""

    def __init__(self, data_dir: Path, listener: socket.socket, idle_grace: float) -> None:
        self.terminals: dict[str, Terminal] = {}
        self.clients: set[Channel[Client]] = set()
        self.stopping = False
        self._data_dir = data_dir
        self._idle_grace = idle_grace
        self._idle_since = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_numbers = itertools.count()
        self._masters: dict[int, int] = {}
        self._mains: dict[int, Terminal] = {}
        self._listener = listener
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, lambda _: self._accept())
        self._watch_children()
        self.spawner = Spawner(
            data_dir, self._selector, self._supervisor_said, self._supervisor_left, self._changed, self.call_later
        )
        self._operations = Operations(self, data_dir)

    def run(self) -> None:
        self.spawner.prepare()
        self._check_idle_later()
        while not self._is_done():
            for key, events in self._selector.select(self._next_timer()):
                self._guard(key.data, events)
            self._run_timers()
            self.spawner.prepare()
        self.spawner.dismiss()

    def finish_later(self, terminal: Terminal) -> None:
        """Record the exit as soon as the PTY has been read to its end."""
        if terminal.exit is not None:
            return
        if terminal.master >= 0 and not terminal.hung_up:
            terminal.read()
        elif terminal.master >= 0:
            self._look_again(terminal)
        patience = terminal.seconds_to_drain()
        if patience:
            self.call_later(patience, lambda: self.finish_later(terminal))
            return
        terminal.finish()
        self._changed(terminal)
        self._flush_later(terminal)

    def forget(self, terminal: Terminal) -> None:
        """Drop an ended terminal."""
        del self.terminals[terminal.id]
        for bell in terminal.bells.values():
            cast("Client", bell.channel.owner).armed.pop(bell.watch, None)
            bell.channel.send({"bell": bell.watch, "gone": True})
        terminal.bells.clear()
        if terminal.link is not None:
            terminal.link.send({"release": True})
        self._close_master(terminal)
        terminal.log.close()
        self._check_idle_later()

    def call_later(self, delay: float, action: Callable[[], None]) -> None:
        """Do `action` in `delay` seconds."""
        heapq.heappush(self._timers, (time.monotonic() + delay, next(self._timer_numbers), action))

    # The loop

    def _guard(self, action: Callable[..., object], *arguments: object) -> None:
        """One terminal's or client's trouble must not end the others."""
        try:
            action(*arguments)
        except Exception:
            sys.excepthook(*sys.exc_info())

    def _next_timer(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _run_timers(self) -> None:
        while self._timers and self._timers[0][0] <= time.monotonic():
            self._guard(heapq.heappop(self._timers)[2])

    def _check_idle_later(self) -> None:
        if not self.terminals and not self.clients:
            self._idle_since = time.monotonic()
            self.call_later(self._idle_grace, lambda: None)  # Wakes the loop, which then asks `_is_done`.

    def _is_done(self) -> bool:
        if self.terminals:
            return False
        if self.stopping:
            return True
        if self.clients or time.monotonic() < self._idle_since + self._idle_grace:
            return False
        self._accept()  # Somebody may have come in just now.
        return not self.clients

    # Clients

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # It left already, or there are no more descriptors: then it comes again.
        if peer_uid(connection) not in (os.geteuid(), 0):
            connection.close()
            return
        channel: Channel[Client] = Channel(
            connection, self._selector, self._operations.perform, self._client_left, takes_descriptors=False
        )
        channel.owner = Client()
        self.clients.add(channel)

    def _client_left(self, channel: Channel[Client]) -> None:
        self.clients.discard(channel)
        for watch, terminal in cast("Client", channel.owner).armed.items():
            terminal.disarm(channel, watch)
        self._check_idle_later()

    # Supervisors and their children

    def _supervisor_said(self, link: Channel[Terminal], message: Message) -> None:
        terminal = link.owner
        if terminal is None:
            return
        if "exit" in message:
            self._main_ended(terminal, cast("int", message["exit"]))
        elif "error" in message:
            self._spawn_failed(terminal, cast("str", message["error"]))
        elif "unused" in message:
            self._spawn_again(terminal)
        elif "pid" in message:
            terminal.pid = cast("int", message["pid"])
            main = told_process(terminal.pid, bytes.fromhex(cast("str", message["stat"])))
            terminal.pid_started = main.started if main else 0
            terminal.request = {}
            self._mains[terminal.pid] = terminal
            terminal.master = link.descriptors.popleft()
            os.set_blocking(terminal.master, False)
            self._changed(terminal)
            answer = {"ok": True, "terminal": terminal.info()}
            for channel, seq in terminal.waiters:
                channel.send({"seq": seq, **answer})
            terminal.waiters.clear()

    def _spawn_again(self, terminal: Terminal) -> None:
        old, terminal.link = terminal.link, None
        if old is not None:
            old.owner = None
        if terminal.attempts >= SPAWN_ATTEMPTS:
            self._spawn_failed(terminal, "its processes were killed before they could begin")
            return
        try:
            self.spawner.spawn_again(terminal)
        except OSError as error:
            self._spawn_failed(terminal, f"no process could be started: {error}")

    def _spawn_failed(self, terminal: Terminal, reason: str) -> None:
        if self.terminals.get(terminal.id) is not terminal:
            return  # It failed already, and the id may have been used again.
        del self.terminals[terminal.id]
        terminal.log.close()
        for channel, seq in terminal.waiters:
            channel.send({"seq": seq, "error": {"code": OperationError.SPAWN_FAILED, "message": reason}})
        terminal.waiters.clear()
        self._check_idle_later()

    def _supervisor_left(self, link: Channel[Terminal]) -> None:
        """Usually its tree is empty. If it was killed, the host inherits its children (on Linux)."""
        terminal = link.owner
        if terminal is None:
            return
        terminal.link = None
        if terminal.pid == 0:
            self._spawn_failed(terminal, "its supervisor was killed before the command started")
        elif terminal.status is None and not sys.platform.startswith("linux"):
            self._main_ended(terminal, UNKNOWN_STATUS)

    def _main_ended(self, terminal: Terminal, status: int) -> None:
        self._mains.pop(terminal.pid, None)
        terminal.main_ended(status)
        self.finish_later(terminal)

    def _watch_children(self) -> None:
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._selector.register(wake_read, selectors.EVENT_READ, lambda _: self._reap(wake_read))

    def _reap(self, wake: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                self.spawner.ended(pid)
                if pid in self._mains:
                    self._main_ended(self._mains[pid], status)

    # PTYs

    def _changed(self, terminal: Terminal) -> None:
        """Listen to the master for what is of interest now, and close it when nothing can come any more."""
        if terminal.hung_up and terminal.exit is not None:
            self._close_master(terminal)
        if terminal.master < 0:
            return
        wanted = 0 if terminal.hung_up else selectors.EVENT_READ
        if terminal.input and not terminal.hung_up:
            wanted |= selectors.EVENT_WRITE
        had = self._masters.get(terminal.master, 0)
        if wanted == had:
            return
        if not had:
            self._selector.register(terminal.master, wanted, lambda events: self._master_ready(terminal, events))
        elif not wanted:
            self._selector.unregister(terminal.master)
        else:
            key = self._selector.get_key(terminal.master)
            self._selector.modify(terminal.master, wanted, key.data)
        self._masters[terminal.master] = wanted

    def _master_ready(self, terminal: Terminal, events: int) -> None:
        if terminal.master < 0:
            return
        if events & selectors.EVENT_WRITE:
            terminal.pump_input()
        if events & selectors.EVENT_READ:
            terminal.read()
        if terminal.log.waits:
            self._flush_later(terminal)
        if terminal.hung_up:
            self._changed(terminal)
            if terminal.status is not None:
                self.finish_later(terminal)
            else:
                self.call_later(RETRY, lambda: self._look_again(terminal))

    def _look_again(self, terminal: Terminal) -> None:
        """A living program that had closed its terminal may have opened it again (/dev/tty)."""
        if terminal.master < 0 or not terminal.hung_up or terminal.exit is not None:
            return
        terminal.read()
        self._changed(terminal)
        if terminal.hung_up and terminal.status is None:
            self.call_later(RETRY, lambda: self._look_again(terminal))

    def _close_master(self, terminal: Terminal) -> None:
        if terminal.master < 0:
            return
        if self._masters.pop(terminal.master, 0):
            self._selector.unregister(terminal.master)
        os.close(terminal.master)
        terminal.master = -1
        if terminal.exit is not None and not terminal.log.waits:
            terminal.log.close()

    def _flush_later(self, terminal: Terminal) -> None:
        """A full disk refused a line of the index: try again until there is room."""
        if terminal.log.waits and not terminal.flush_planned and self.terminals.get(terminal.id) is terminal:
            terminal.flush_planned = True
            self.call_later(RETRY, lambda: self._flush(terminal))

    def _flush(self, terminal: Terminal) -> None:
        terminal.flush_planned = False
        terminal.log.flush()
        self._flush_later(terminal)
