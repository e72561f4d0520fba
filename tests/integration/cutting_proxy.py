"""A line that breaks: a TCP proxy which loses a connection after so many bytes from the server, wherever that is."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

_RESET = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Connect to `address` instead of `target`. Each connection is cut `cut_after` bytes later (None: never)."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.cut_after: int | None = None
        self.with_reset = False
        self._threads = [threading.Thread(target=self._accept, name="proxy")]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._target)
                except OSError:
                    near.close()
                    continue
                upwards = threading.Thread(target=self._copy, args=(near, far, None), name="proxy up")
                downwards = threading.Thread(target=self._copy, args=(far, near, self.cut_after), name="proxy down")
                for thread in (upwards, downwards):
                    self._threads.append(thread)
                    thread.start()

    def _copy(self, source: socket.socket, sink: socket.socket, left: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536 if left is None else max(1, min(left, 65536))):
                if left is not None and left <= len(data):
                    sink.sendall(data[:left])
                    break
                left = left if left is None else left - len(data)
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                if self.with_reset:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                # Wakes whoever reads from it; the other direction's thread closes it for good.
                one.shutdown(socket.SHUT_RDWR)
        source.close()

    def close(self) -> None:
        """Call it when all connections through it are closed."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
