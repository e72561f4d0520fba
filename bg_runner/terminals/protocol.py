"""The language of the PTY host's socket: frames, versions, and where the socket lies.

A frame is four bytes of length (big-endian) and one JSON object in UTF-8. A client's frames are requests
`{"op", "seq", ...}`; the host answers each with `{"seq", "ok": true, ...}` or `{"seq", "error": {"code", "message"}}`,
in any order, and rings bells `{"bell": watch, "cursor", "exit"}` unasked. A descriptor travels with the first byte of
the frame that says `"fds": 1`. The first request is `hello` with the range of versions that the client speaks; both
sides then use the highest common one. Hosts outlive upgrades of the server, so a server speaks the previous version,
too.

Version 1 is the first. Its operations: hello, spawn, info, list, attach, write, resize, signal, arm, disarm, forget,
stop. What was added to it since is optional: the answer to resize says the log's `cursor` at that moment.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

Versions = tuple[int, int]
VERSIONS: Versions = (1, 1)
MAX_FRAME = 16 * 1024 * 1024
LONGEST_SOCKET_PATH = 100
Message = dict[str, object]

_LENGTH = struct.Struct(">I")
_ENCODER = json.JSONEncoder(separators=(",", ":"))  # One for all: `json.dumps` would make a new one for each.


class ProtocolError(Exception):
    """The peer does not speak our language; the connection is of no use any more."""


def encode(message: Message) -> bytes:
    """A frame. Raises: ProtocolError if it is too large."""
    return frame(_ENCODER.encode(message).encode("ascii"))


def encode_bell(watch: int, cursor: int) -> bytes:
    """The frame of a bell for output: the one message whose time counts, so it is not put together field by field."""
    return frame(b'{"bell":%d,"cursor":%d,"exit":null}' % (watch, cursor))


def frame(body: bytes) -> bytes:
    """Put the length before it. Raises: ProtocolError if it is too large."""
    if len(body) > MAX_FRAME:
        raise ProtocolError(f"a message of {len(body)} bytes is too large")
    return _LENGTH.pack(len(body)) + body


def decode_body(body: bytes) -> Message:
    """Raises: ProtocolError."""
    try:
        message = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ProtocolError("not a JSON object")
    return message


class FrameDecoder:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take `data` and give every message that is complete now. Raises: ProtocolError."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME:
                raise ProtocolError(f"a frame of {length} bytes is too large")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield decode_body(body)


def receive_one(connection: socket.socket) -> Message | None:
    """The next message, and not a byte more: the rest is for another reader of a blocking socket. None at its end.

    Raises: ProtocolError, OSError.
    """
    header = _receive_exactly(connection, _LENGTH.size)
    if header is None:
        return None
    body = _receive_exactly(connection, _LENGTH.unpack(header)[0])
    return None if body is None else decode_body(body)


def _receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            return None
        data += part
    return bytes(data)


def negotiate(ours: Versions, theirs: object) -> int:
    """The highest version in both ranges. Raises: ProtocolError if there is none, or `theirs` is no range."""
    if (
        not isinstance(theirs, (list, tuple))
        or len(theirs) != 2
        or not all(isinstance(bound, int) and not isinstance(bound, bool) for bound in theirs)
    ):
        raise ProtocolError(f"not a range of protocol versions: {theirs!r}")
    version: int = min(ours[1], theirs[1])
    if version < max(ours[0], theirs[0]):
        raise ProtocolError(
            f"no common protocol version: this side speaks {ours[0]} to {ours[1]}, the other {theirs[0]} to {theirs[1]}"
        )
    return version


def peer_uid(connection: socket.socket) -> int:
    """The user on the other end. Where the system does not say (macOS), the socket's mode 0600 must do: our own."""
    if not sys.platform.startswith("linux"):
        return os.geteuid()
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid


def host_key(data_dir: Path) -> str:
    """A short name of the data directory, to tell one host's processes and sockets from another's.

    Its device and inode: as good as a hash of its path, and no cryptography in every fork of the host.
    """
    status = data_dir.stat()
    return f"{status.st_dev:x}-{status.st_ino:x}"


def listening_path(data_dir: Path) -> Path:
    """Where the host shall listen: `host.sock` in the data directory, or a short path if that is over 100 bytes.

    Raises: PermissionError if the private runtime directory belongs to somebody else.
    """
    path = data_dir.resolve() / "host.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    for base in (os.environ.get("XDG_RUNTIME_DIR"), "/tmp"):  # noqa: S108 (made private and checked below)
        if base and Path(base).is_dir():
            name = "bg-runner" if base != "/tmp" else f"bg-runner-{os.geteuid()}"  # noqa: S108
            path = Path(base) / name / f"{host_key(data_dir)}.sock"
            if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
                _make_private(path.parent)
                return path
    raise PermissionError("no runtime directory with a path short enough for a socket")


def connecting_path(data_dir: Path) -> Path:
    """Where the host listens. A socket elsewhere has a symlink in its place, so that both sides agree on it.

    Raises: FileNotFoundError if there is none, PermissionError if its directory is not private.
    """
    path = data_dir.resolve() / "host.sock"
    if path.is_symlink():
        path = path.readlink()
        _check_private(path.parent)
    return path


def _make_private(directory: Path) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    _check_private(directory)


def _check_private(directory: Path) -> None:
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(f"{directory} must be a directory of this user with mode 0700")
