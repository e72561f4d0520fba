"""What a client may ask the PTY host for, checked before anything is done."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from bg_runner.terminals.host_terminal import Bell, Client, Terminal
from bg_runner.terminals.identity import check_id
from bg_runner.terminals.output import delete_log, log_directory
from bg_runner.terminals.process_table import process_id
from bg_runner.terminals.protocol import VERSIONS, Message, ProtocolError, negotiate

if TYPE_CHECKING:
    from bg_runner.terminals.host_channel import Channel
    from bg_runner.terminals.host_loop import Host

MAX_SIZE = 10_000
SMALLEST_LOG = 4096
_NOTHING: Message = {}


class OperationError(Exception):
    """A request that cannot be done; the client is told the code and the message."""

    INVALID: ClassVar[str] = "INVALID"
    NOT_FOUND: ClassVar[str] = "NOT_FOUND"
    STILL_RUNNING: ClassVar[str] = "STILL_RUNNING"
    BUSY: ClassVar[str] = "BUSY"
    SPAWN_FAILED: ClassVar[str] = "SPAWN_FAILED"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Operations:
    """Performs a client's requests. An operation returns the answer's fields, or None if it answers by itself."""

    def __init__(self, host: Host, data_dir: Path) -> None:
        self._host = host
        self._data_dir = data_dir
        self._operations: dict[str, Callable[[Channel[Client], Message], Message | None]] = {
            "spawn": self._spawn,
            "info": self._info,
            "list": self._list,
            "attach": self._attach,
            "write": self._write,
            "resize": self._resize,
            "signal": self._signal,
            "arm": self._arm,
            "disarm": self._disarm,
            "forget": self._forget,
            "stop": self._stop,
        }

    def perform(self, channel: Channel[Client], message: Message) -> None:
        """Raises: ProtocolError, if the client is of no use: its connection is closed then."""
        client = cast("Client", channel.owner)
        if client.version is None:
            self._hello(channel, client, message)
            return
        operation = self._operations.get(str(message.get("op")))
        try:
            if operation is None:
                raise OperationError(OperationError.INVALID, f"no such operation: {message.get('op')!r}")
            answer = operation(channel, message)
        except OperationError as error:
            answer = {"error": {"code": error.code, "message": str(error)}}
        except OSError as error:
            answer = {"error": {"code": OperationError.INVALID, "message": f"the system refused: {error}"}}
        if answer is not None and "seq" in message:
            channel.send({"seq": message["seq"], "ok": "error" not in answer, **answer})

    def _hello(self, channel: Channel[Client], client: Client, message: Message) -> None:
        if message.get("op") != "hello":
            raise ProtocolError("the first request must be hello")
        answer: Message = {"seq": message.get("seq"), "versions": VERSIONS, "pid": os.getpid()}
        try:
            client.version = negotiate(VERSIONS, message.get("versions"))
        except ProtocolError as error:
            channel.send({**answer, "error": {"code": OperationError.INVALID, "message": str(error)}})
            raise
        started = process_id(os.getpid())
        channel.send({**answer, "ok": True, "version": client.version, "started": started.started if started else 0})

    def _spawn(self, channel: Channel[Client], message: Message) -> Message | None:
        request = checked_spawn(message)
        terminal = self._host.terminals.get(cast("str", request["id"]))
        if terminal is None:
            try:
                terminal = self._host.spawner.spawn(request)
            except OSError as error:
                raise OperationError(OperationError.SPAWN_FAILED, f"no process could be started: {error}") from error
            if terminal.link is None:
                terminal.log.close()
                raise OperationError(OperationError.SPAWN_FAILED, "its supervisor did not take the command")
            self._host.terminals[terminal.id] = terminal
            self._host.stopping = False
        if terminal.pid:
            return {"terminal": terminal.info()}
        terminal.waiters.append((channel, message.get("seq")))
        return None

    def _info(self, _: Channel[Client], message: Message) -> Message:
        terminal = self._host.terminals.get(_text(message, "id"))
        return {"terminal": terminal.info() if terminal is not None and terminal.pid else None}

    def _list(self, _: Channel[Client], _message: Message) -> Message:
        return {"terminals": [terminal.info() for terminal in self._host.terminals.values() if terminal.pid]}

    def _attach(self, channel: Channel[Client], message: Message) -> None:
        terminal = self._terminal(message)
        if terminal.master < 0:
            raise OperationError(OperationError.NOT_FOUND, f"the terminal {terminal.id} has ended")
        channel.send({"seq": message.get("seq"), "ok": True, "fds": 1}, [terminal.master])

    def _write(self, _: Channel[Client], message: Message) -> Message:
        terminal = self._terminal(message)
        try:
            data = base64.b64decode(_text(message, "data"), validate=True)
        except binascii.Error:
            raise OperationError(OperationError.INVALID, "data must be base64") from None
        if terminal.master >= 0 and not terminal.type(data):
            raise OperationError(OperationError.BUSY, f"the program in {terminal.id} does not read its input")
        return _NOTHING

    def _resize(self, _: Channel[Client], message: Message) -> Message:
        terminal = self._terminal(message)
        rows, cols = _number(message, "rows", 1, MAX_SIZE), _number(message, "cols", 1, MAX_SIZE)
        return {"cursor": terminal.resize(rows, cols)}

    def _signal(self, _: Channel[Client], message: Message) -> Message:
        terminal = self._terminal(message)
        signum = _number(message, "signum", 1, signal.NSIG - 1)
        if terminal.link is not None:
            # Its parent alone knows whether the pid is still the same process.
            terminal.link.send({"signal": signum})
        elif terminal.status is None:
            # The supervisor was killed, so the parent is this process, which has not reaped it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(terminal.pid, signum)
        return _NOTHING

    def _arm(self, channel: Channel[Client], message: Message) -> Message:
        watch = _number(message, "watch", 0, 2**62)
        terminal = self._host.terminals.get(_text(message, "id"))
        if terminal is None:
            channel.send({"bell": watch, "gone": True})
            return _NOTHING
        cursor = None if message.get("cursor") is None else _number(message, "cursor", 0, 2**62)
        cast("Client", channel.owner).armed[watch] = terminal
        terminal.arm(Bell(channel, watch, cursor, at_exit=message.get("exit") is not False))
        return _NOTHING

    def _disarm(self, channel: Channel[Client], message: Message) -> Message:
        watch = _number(message, "watch", 0, 2**62)
        terminal = cast("Client", channel.owner).armed.pop(watch, None)
        if terminal is not None:
            terminal.disarm(channel, watch)
        return _NOTHING

    def _forget(self, _: Channel[Client], message: Message) -> Message:
        terminal_id = _text(message, "id")
        try:
            directory = log_directory(self._data_dir, terminal_id)
        except ValueError as error:
            raise OperationError(OperationError.INVALID, str(error)) from None
        terminal = self._host.terminals.get(terminal_id)
        if terminal is not None:
            if terminal.exit is None:
                raise OperationError(OperationError.STILL_RUNNING, f"the terminal {terminal.id} still runs")
            self._host.forget(terminal)
        if message.get("delete_log") is True:
            delete_log(directory)
        return _NOTHING

    def _stop(self, _: Channel[Client], _message: Message) -> Message:
        self._host.stopping = True
        return _NOTHING

    def _terminal(self, message: Message) -> Terminal:
        terminal_id = _text(message, "id")
        terminal = self._host.terminals.get(terminal_id)
        if terminal is None or not terminal.pid:
            raise OperationError(OperationError.NOT_FOUND, f"no terminal {terminal_id}")
        return terminal


def checked_spawn(message: Message) -> Message:
    """The fields of a spawn request, known to be fit for exec. Raises: OperationError."""
    argv, env, cwd = message.get("argv"), message.get("env"), message.get("cwd")
    if not isinstance(argv, list) or not argv or not all(_fit(argument) for argument in argv) or not argv[0]:
        raise OperationError(OperationError.INVALID, "argv must be a list of texts without NUL, not empty")
    if not isinstance(env, dict) or not all(
        _fit(name) and _fit(value) and name and "=" not in name for name, value in env.items()
    ):
        raise OperationError(OperationError.INVALID, "env must map names to texts without NUL")
    if cwd is not None and not _fit(cwd):
        raise OperationError(OperationError.INVALID, "cwd must be a text without NUL")
    try:
        terminal_id = check_id(_text(message, "id"))
    except ValueError as error:
        raise OperationError(OperationError.INVALID, str(error)) from None
    return {
        "id": terminal_id,
        "argv": argv,
        "env": env,
        "cwd": cwd,
        "rows": _number(message, "rows", 1, MAX_SIZE),
        "cols": _number(message, "cols", 1, MAX_SIZE),
        "log_bytes": _number(message, "log_bytes", SMALLEST_LOG, 2**62),
    }


def _fit(value: object) -> bool:
    """Whether exec takes it."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def _text(message: Message, name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise OperationError(OperationError.INVALID, f"{name} must be a text")
    return value


def _number(message: Message, name: str, least: int, most: int) -> int:
    value = message.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise OperationError(OperationError.INVALID, f"{name} must be a number from {least} to {most}")
    return value
