"""Talking to the PTY host: `HostClient`, one for the data directory, for any thread."""

from __future__ import annotations

import base64
import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

from bg_runner.errors import BgRunnerError, Conflict, HostGone, NotFound, SpawnFailed, TooMany
from bg_runner.terminals.host_connection import Bell, HostConnection, connect, start_host
from bg_runner.terminals.models import Exit, SpawnRequest, TerminalInfo
from bg_runner.terminals.protocol import VERSIONS, Message, Versions

WatchKind = Literal["output", "exit", "gone"]

_ERRORS: dict[str, type[BgRunnerError]] = {
    "NOT_FOUND": NotFound,
    "STILL_RUNNING": Conflict,
    "BUSY": TooMany,
    "SPAWN_FAILED": SpawnFailed,
}


@dataclass(frozen=True)
class WatchEvent:
    """Why a watch rang.

    - "output": the log has grown beyond the watch's cursor; `cursor` is its end now. Rings once, until `rearm`.
    - "exit": the program ended, everything it wrote is in the log, `exit` is set. Reported once.
    - "gone": the host was lost, or does not know this terminal. The watch is over; `HostClient.ensure` and look again.
    """

    kind: WatchKind
    cursor: int = 0
    exit: Exit | None = None


class Ringer(Protocol):
    """What a watch needs of its connection: where its bell hangs, and to send without waiting."""

    bells: dict[int, Bell]

    def tell(self, message: Message) -> None: ...


class Watch:
    """A one-shot bell on one terminal."""

    def __init__(
        self, connection: Ringer, number: int, terminal_id: str, callback: Callable[[WatchEvent], None]
    ) -> None:
        self._connection = connection
        self._number = number
        self._terminal_id = terminal_id
        self._callback: Callable[[WatchEvent], None] | None = callback
        self._exit_reported = False

    def rearm(self, cursor: int | None) -> None:
        """Ring when the log's end is beyond `cursor` or the program ends; at once if that is so already.

        `cursor` None waits for the exit only. On a watch that is over nothing happens: it was told "gone".
        """
        if self._callback is not None:
            self._connection.tell(
                {
                    "op": "arm",
                    "id": self._terminal_id,
                    "watch": self._number,
                    "cursor": cursor,
                    "exit": not self._exit_reported,
                }
            )

    def close(self) -> None:
        """No callback begins after this returns, unless it runs in the reader thread right now. Twice is fine."""
        if self._callback is not None:
            self._callback = None
            self._connection.bells.pop(self._number, None)
            self._connection.tell({"op": "disarm", "watch": self._number})

    def ring(self, bell: Message | None) -> None:
        """`bell` is what the host said; None when the connection is lost. For the connection only."""
        callback = self._callback
        if callback is None:
            return
        if bell is None or "gone" in bell:
            self._callback = None
            self._connection.bells.pop(self._number, None)
            callback(WatchEvent("gone"))
            return
        cursor = cast("int", bell["cursor"])
        ended = _exit_of(bell.get("exit"))
        if ended is not None and not self._exit_reported:
            self._exit_reported = True
            callback(WatchEvent("exit", cursor, ended))
        else:
            callback(WatchEvent("output", cursor, ended))


class HostClient:
    """A connection to the PTY host of `data_dir`. Every method may be called from any thread.

    Every method but `ensure` and `close` raises HostGone when the connection is lost (or `ensure` was never called).
    `versions` is the range of protocol versions to speak.
    """

    def __init__(self, data_dir: Path, *, versions: Versions = VERSIONS) -> None:
        self.data_dir = data_dir.resolve()
        self._versions = versions
        self._lock = threading.Lock()
        self._connection: HostConnection | None = None
        self._watch_numbers = itertools.count(1)
        self._closed = False

    def ensure(self, *, start: bool = True) -> bool:
        """Be connected: to the living host if there is one, else to a new one (if `start`). True if connected now.

        Raises: HostGone if the host cannot be started or speaks no common protocol version.
        """
        with self._lock:
            if self._closed:
                raise HostGone("the client is closed")
            if self._connection is not None and self._connection.alive:
                return True
            self._connection = connect(self.data_dir, self._versions)
            attempts = 3 if start else 0
            while self._connection is None and attempts:
                # More than one attempt, because a host may end (nothing to do) just when we find it.
                attempts -= 1
                start_host(self.data_dir)
                self._connection = connect(self.data_dir, self._versions)
            if self._connection is None and start:
                raise HostGone("the PTY host does not stay", hint=f"Look at {self.data_dir / 'host.log'}.")
            return self._connection is not None

    @property
    def instance(self) -> str:
        """Which host process this is; another one after a host was lost. Raises: HostGone."""
        return self._connected().instance

    @property
    def version(self) -> int:
        """The protocol version that is spoken with the host. Raises: HostGone."""
        return self._connected().version

    def spawn(self, request: SpawnRequest) -> TerminalInfo:
        """Start a command; if the id exists already, return what it is. Raises: SpawnFailed, HostGone, ValueError."""
        answer = self._ask(
            {
                "op": "spawn",
                "id": request.id,
                "argv": list(request.argv),
                "cwd": None if request.cwd is None else os.fspath(request.cwd),
                "env": dict(request.env),
                "rows": request.rows,
                "cols": request.cols,
                "log_bytes": request.log_bytes,
            }
        )
        return _info_of(answer["terminal"])

    def info(self, terminal_id: str) -> TerminalInfo | None:
        """What the host knows of it; None if nothing (then `output.read_exit` may know more)."""
        told = self._ask({"op": "info", "id": terminal_id})["terminal"]
        return None if told is None else _info_of(told)

    def list(self) -> tuple[TerminalInfo, ...]:
        """All terminals that are not forgotten."""
        return tuple(_info_of(told) for told in cast("tuple[object, ...]", self._ask({"op": "list"})["terminals"]))

    def write(self, terminal_id: str, data: bytes) -> None:
        """Type into the terminal. Raises: NotFound, TooMany (the program does not read and 1 MB waits already)."""
        self._ask({"op": "write", "id": terminal_id, "data": base64.b64encode(data).decode()})

    def resize(self, terminal_id: str, rows: int, cols: int) -> int | None:
        """Give the terminal a new size; the end of its log at that moment (bytes), None from an older host.

        Raises: NotFound, ValueError.
        """
        answer = self._ask({"op": "resize", "id": terminal_id, "rows": rows, "cols": cols})
        return cast("int | None", answer.get("cursor"))

    def signal(self, terminal_id: str, signum: int) -> None:
        """Signal the main process's group; nothing happens if it has ended. Raises: NotFound, ValueError."""
        self._ask({"op": "signal", "id": terminal_id, "signum": int(signum)})

    def attach(self, terminal_id: str) -> int:
        """A duplicate of the master's descriptor, to write and resize directly; the caller closes it.

        It is non-blocking: EAGAIN means "full", not the end. Never read from it. Raises: NotFound (also after its end).
        """
        return cast("int", self._ask({"op": "attach", "id": terminal_id})["descriptor"])

    def forget(self, terminal_id: str, *, delete_log: bool = False) -> None:
        """Drop an ended terminal; an unknown one is fine. Raises: Conflict while it runs."""
        self._ask({"op": "forget", "id": terminal_id, "delete_log": delete_log})

    def forget_soon(self, terminal_id: str) -> None:
        """`forget` without waiting for the host's answer; a host that refuses keeps the terminal."""
        self._connected().tell({"op": "forget", "id": terminal_id, "delete_log": False})

    def watch(self, terminal_id: str, callback: Callable[[WatchEvent], None], *, cursor: int | None = 0) -> Watch:
        """Call `callback` from the reader thread when the log's end is beyond `cursor` (None: only at the exit).

        The callback must be quick; it may call `Watch.rearm` and `Watch.close`, no other method of the client.
        """
        connection = self._connected()
        number = next(self._watch_numbers)
        watch = Watch(connection, number, terminal_id, callback)
        connection.add_bell(number, watch.ring)
        watch.rearm(cursor)
        return watch

    def wait(self, terminal_id: str, timeout: float | None = None) -> Exit | None:
        """Wait up to `timeout` seconds for the end; None if it still runs. Raises: HostGone, NotFound."""
        events: list[WatchEvent] = []
        rang = threading.Event()

        def on_event(event: WatchEvent) -> None:
            events.append(event)
            rang.set()

        watch = self.watch(terminal_id, on_event, cursor=None)
        try:
            if not rang.wait(timeout):
                return None
        finally:
            watch.close()
        if events[0].kind == "exit":
            return events[0].exit
        if self.info(terminal_id) is None:
            raise NotFound(f"no terminal {terminal_id}", hint="The host may have been started anew.")
        raise HostGone("the terminal was lost while it was waited for")

    def stop_host(self) -> None:
        """Let the host end as soon as it has no terminal, though this server is connected."""
        self._ask({"op": "stop"})

    def close(self) -> None:
        """Disconnect for good. Terminals run on. Open watches get "gone"."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __enter__(self) -> HostClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connected(self) -> HostConnection:
        connection = self._connection
        if connection is None:
            raise HostGone("not connected to the PTY host")
        return connection

    def _ask(self, message: Message) -> Message:
        answer = self._connected().ask(message)
        error = cast("dict[str, str] | None", answer.get("error"))
        if error is None:
            return answer
        raise _ERRORS.get(error["code"], ValueError)(error["message"])


def _exit_of(told: object) -> Exit | None:
    if told is None:
        return None
    return Exit(**{name: cast("Message", told)[name] for name in ("code", "signal", "cursor", "at")})  # type: ignore[arg-type]


def _info_of(told: object) -> TerminalInfo:
    """Fields that a newer host adds are left out."""
    fields = {name: value for name, value in cast("Message", told).items() if name in TerminalInfo.__dataclass_fields__}
    return TerminalInfo(**{**fields, "exit": _exit_of(fields.get("exit"))})  # type: ignore[arg-type]
