"""One connection of the server to the PTY host, and starting a host where there is none."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from bg_runner.errors import HostGone
from bg_runner.terminals.host_channel import CLOEXEC_FLAG, RECEIVE
from bg_runner.terminals.identity import HOST_VARIABLE, ID_VARIABLE
from bg_runner.terminals.protocol import (
    FrameDecoder,
    Message,
    ProtocolError,
    Versions,
    connecting_path,
    encode,
    negotiate,
    peer_uid,
)

log = logging.getLogger(__name__)
ANSWER_TIMEOUT = 30.0
START_TIMEOUT = 20.0
MAX_HOST_LOG = 1024 * 1024
HOST_ENV = frozenset({"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"})
HOST_ENV |= {ID_VARIABLE, HOST_VARIABLE}  # A server inside a terminal stays attributable to that terminal.
HOST_ENV_PREFIXES = ("LC_", "PYTHON", "LD_", "DYLD_")
PACKAGE_PARENT = Path(__file__).resolve().parents[2]

Bell = Callable[[Message | None], None]


class _Pending:
    """A request that waits for its answer; `answer` stays None when the connection is lost first."""

    def __init__(self) -> None:
        self.done = threading.Lock()
        self.done.acquire()
        self.answer: Message | None = None


class HostConnection:
    """Requests from any thread; one reader thread hands out the answers and rings the bells."""

    def __init__(self, connection: socket.socket, version: int, instance: str) -> None:
        self.version = version
        self.instance = instance
        self.bells: dict[int, Bell] = {}
        self.alive = True
        self._socket = connection
        self._sending = threading.Lock()
        self._state = threading.Lock()
        self._pending: dict[int, _Pending] = {}
        self._last_seq = 0
        self._descriptors: deque[int] = deque()
        self._reader = threading.Thread(target=self._read, name="host-reader", daemon=True)
        self._reader.start()

    def ask(self, message: Message) -> Message:
        """The host's answer, which may hold an `error`. Raises: HostGone, ValueError if the message is too large."""
        if threading.current_thread() is self._reader:
            raise RuntimeError("a watch's callback may not wait for the host: it runs in the thread that would hear it")
        pending = _Pending()
        with self._state:
            if not self.alive:
                raise HostGone("the connection to the PTY host is lost")
            self._last_seq += 1
            seq = self._last_seq
            self._pending[seq] = pending
        self._send({**message, "seq": seq})
        if not pending.done.acquire(timeout=ANSWER_TIMEOUT):
            self.close()
            raise HostGone(f"the PTY host did not answer within {ANSWER_TIMEOUT:.0f} s")
        if pending.answer is None:
            raise HostGone("the PTY host was lost")
        return pending.answer

    def tell(self, message: Message) -> None:
        """Send without waiting for an answer. A lost connection is not reported here: bells ring "gone" for it."""
        with contextlib.suppress(HostGone):
            self._send(message)

    def add_bell(self, number: int, bell: Bell) -> None:
        """Raises: HostGone."""
        with self._state:
            if not self.alive:
                raise HostGone("the connection to the PTY host is lost")
            self.bells[number] = bell

    def close(self) -> None:
        """The reader thread then gives everybody who waits the bad news."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._reader:
            self._reader.join()

    def _send(self, message: Message) -> None:
        try:
            frame = encode(message)
        except ProtocolError as error:
            raise ValueError(str(error)) from None
        try:
            with self._sending:
                self._socket.sendall(frame)
        except OSError as error:
            raise HostGone(f"the PTY host was lost: {error}") from error

    def _read(self) -> None:
        decoder = FrameDecoder()
        try:
            while self._receive(decoder):
                pass
        except (OSError, ProtocolError):
            pass
        finally:
            self._lose()

    def _receive(self, decoder: FrameDecoder) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._socket, RECEIVE, 4, CLOEXEC_FLAG)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._descriptors.extend(descriptors)
        if not data:
            return False
        for message in decoder.feed(data):
            if "bell" in message:
                bell = self.bells.get(cast("int", message["bell"]))
                if bell is not None:
                    ring(bell, message)
            else:
                self._answer(message)
        return True

    def _answer(self, message: Message) -> None:
        if message.get("fds"):
            message["descriptor"] = self._descriptors.popleft()
        with self._state:
            pending = self._pending.pop(cast("int", message.get("seq")), None)
        if pending is not None:
            pending.answer = message
            pending.done.release()
        elif "descriptor" in message:
            os.close(cast("int", message["descriptor"]))

    def _lose(self) -> None:
        with self._state:
            self.alive = False
            pending, self._pending = list(self._pending.values()), {}
            bells = list(self.bells.values())
        self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())
        for request in pending:
            request.done.release()
        for bell in bells:
            ring(bell, None)


def ring(bell: Bell, message: Message | None) -> None:
    """A callback that fails must not take the connection of all others with it."""
    try:
        bell(message)
    except Exception:
        log.exception("a callback of a watch failed")


class Greeted(NamedTuple):
    """A blocking socket on which both sides said hello; `instance` names the host process."""

    socket: socket.socket
    version: int
    instance: str


def connect(data_dir: Path, versions: Versions) -> HostConnection | None:
    """A connection to the living host; None if there is none.

    Raises: HostGone if a host is there that cannot be spoken with.
    """
    greeted = greeted_socket(data_dir, versions)
    return None if greeted is None else HostConnection(*greeted)


def greeted_socket(data_dir: Path, versions: Versions) -> Greeted | None:
    """Like `connect`, without a reader thread yet."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(ANSWER_TIMEOUT)
        connection.connect(os.fspath(connecting_path(data_dir)))
        if peer_uid(connection) != os.geteuid():
            raise HostGone("the PTY host's socket belongs to another user")
        version, instance = _greet(connection, versions)
        connection.settimeout(None)
    except PermissionError as error:
        connection.close()
        raise HostGone(f"the PTY host's socket is not private: {error}") from error
    except (OSError, EOFError):
        connection.close()
        return None
    except ProtocolError as error:
        connection.close()
        hint = "Stop what runs in it with the version of bg-runner that started it, or wait until it has ended."
        raise HostGone(f"the running PTY host is of another version: {error}", hint=hint) from error
    except BaseException:
        connection.close()
        raise
    return Greeted(connection, version, instance)


def _greet(connection: socket.socket, versions: Versions) -> tuple[int, str]:
    """Say hello; the version to speak and which process answered. Raises: ProtocolError, EOFError, OSError."""
    connection.sendall(encode({"op": "hello", "seq": 0, "versions": versions, "pid": os.getpid()}))
    decoder = FrameDecoder()
    while True:
        data = connection.recv(RECEIVE)
        if not data:
            raise EOFError
        for answer in decoder.feed(data):
            version = negotiate(versions, answer.get("versions"))
            if answer.get("version") != version:
                raise ProtocolError(f"it answered hello with {answer!r}")
            return version, f"{answer.get('pid')}-{answer.get('started')}"


def start_host(data_dir: Path) -> None:
    """Start a host and wait until it, or another one that was quicker, listens. Raises: HostGone."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    ready_read, ready_write = os.pipe()
    try:
        with _host_log(data_dir) as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bg_runner.terminals.host", os.fspath(data_dir), "--ready", str(ready_write)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=PACKAGE_PARENT,
                env=_host_environment(),
                start_new_session=True,
                close_fds=True,
                pass_fds=(ready_write,),
            )
        os.close(ready_write)
        ready_write = -1
        # Without a wait the host would stay a zombie when it ends before the server does.
        threading.Thread(target=process.wait, name="host-waiter", daemon=True).start()
        answered, _, _ = select.select([ready_read], [], [], START_TIMEOUT)
        ready = os.read(ready_read, 1) if answered else b""
    except OSError as error:
        raise HostGone(f"the PTY host cannot be started: {error}") from error
    finally:
        os.close(ready_read)
        if ready_write >= 0:
            os.close(ready_write)
    if not ready:
        raise HostGone("the PTY host did not start", hint=f"Look at {data_dir / 'host.log'}.")


def _host_log(data_dir: Path) -> BinaryIO:
    """Where the host's standard error goes; begun anew when it has become long."""
    path = data_dir / "host.log"
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > MAX_HOST_LOG:
            path.replace(path.with_suffix(".log.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab")


def _host_environment() -> dict[str, str]:
    """What Python and the host need, and no secrets of the server."""
    return {name: value for name, value in os.environ.items() if name in HOST_ENV or name.startswith(HOST_ENV_PREFIXES)}
