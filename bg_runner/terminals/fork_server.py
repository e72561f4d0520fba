"""Forking supervisors from a process that does nothing else.

A page of memory is shared between processes until one of them writes to it, and in Python nearly every use of an object
is a write. The host works between two forks; supervisors forked from it would each keep the pages that it changed
since: 500 KB more a terminal than of a process that sleeps between two forks.

The host sends a byte with the supervisor's end of a socket and gets an answer of a kind and a number; unasked, it gets
the pid of each supervisor that ended. When the host is gone the fork server leaves; when the fork server is killed, the
host inherits its supervisors (on Linux) and starts another one.
"""

from __future__ import annotations

import os
import select
import selectors
import socket
import struct
import sys
from collections.abc import Callable
from typing import NoReturn

from bg_runner.terminals.supervisor import Supervisor, detach, drain

NAME = b"bgr-forks"
PATIENCE = 10.0
ENDED, FORKED, REFUSED = range(3)

_ANSWER = struct.Struct("=bi")


class ForkServer:
    """The host's side. `on_ended` is called with the pid of each supervisor that ended, also from within `fork`."""

    def __init__(
        self,
        key: str,
        soft_file_limit: int,
        selector: selectors.BaseSelector,
        on_ended: Callable[[int], None],
    ) -> None:
        self._key = key
        self._soft_file_limit = soft_file_limit
        self._selector = selector
        self._on_ended = on_ended
        self._socket: socket.socket | None = None
        self._unread = b""

    def fork(self, link: socket.socket) -> int:
        """Fork a supervisor that listens to `link`; its pid. Raises: OSError."""
        for _ in range(2):
            try:
                connection = self._connected()
                socket.send_fds(connection, [b"f"], [link.fileno()])
                kind, number = self._answer(connection)
            except (ConnectionError, TimeoutError, BlockingIOError):
                self._leave()  # Somebody killed or stopped it: use another one.
                continue
            if kind == REFUSED:
                raise OSError(number, os.strerror(number))
            return number
        raise OSError("the fork server does not stay")

    def _connected(self) -> socket.socket:
        if self._socket is None:
            ours, theirs = socket.socketpair()
            try:
                if os.fork() == 0:
                    _serve(theirs, self._key, self._soft_file_limit)
            except OSError:
                ours.close()
                raise
            finally:
                theirs.close()
            ours.setblocking(False)
            self._selector.register(ours, selectors.EVENT_READ, lambda _: self._hear(ours))
            self._socket = ours
        return self._socket

    def _answer(self, connection: socket.socket) -> tuple[int, int]:
        """The answer to what was asked. What ended before is told first: the pid may be the same."""
        answer = None
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        while answer is None:
            if not poll.poll(PATIENCE * 1000):
                raise TimeoutError
            for kind, number in self._receive(connection):
                if kind == ENDED:
                    self._on_ended(number)
                else:
                    answer = kind, number
        return answer

    def _hear(self, connection: socket.socket) -> None:
        """Something was said unasked, unless `fork` has heard it meanwhile."""
        try:
            for _, number in self._receive(connection):
                self._on_ended(number)
        except BlockingIOError:
            pass
        except OSError:
            if connection is self._socket:
                self._leave()

    def _receive(self, connection: socket.socket) -> list[tuple[int, int]]:
        """What was said since. Raises: ConnectionError, BlockingIOError."""
        data = connection.recv(4096)
        if not data:
            raise ConnectionResetError
        data = self._unread + data
        whole = len(data) - len(data) % _ANSWER.size
        self._unread = data[whole:]
        return list(_ANSWER.iter_unpack(data[:whole]))

    def _leave(self) -> None:
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket, self._unread = None, b""


def _serve(host: socket.socket, key: str, soft_file_limit: int) -> NoReturn:
    """The fork server itself: as little as possible, since what it changes its forks have to copy."""
    try:
        wake = detach(host, NAME)
        poll = select.poll()
        poll.register(host, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == wake:
                    drain(wake)
                    _report_ended(host)
                else:
                    _fork_one(host, key, soft_file_limit)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _fork_one(host: socket.socket, key: str, soft_file_limit: int) -> None:
    asked, descriptors, _, _ = socket.recv_fds(host, 1, 1)
    if not asked:
        os._exit(0)
    try:
        pid = os.fork()
    except OSError as error:
        host.send(_ANSWER.pack(REFUSED, error.errno))
    else:
        if pid == 0:
            os.set_inheritable(descriptors[0], False)  # Not for the command.
            Supervisor(socket.socket(fileno=descriptors[0]), key, soft_file_limit).run()
        host.send(_ANSWER.pack(FORKED, pid))
    os.close(descriptors[0])


def _report_ended(host: socket.socket) -> None:
    try:
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            host.send(_ANSWER.pack(ENDED, pid))
    except ChildProcessError:
        return
