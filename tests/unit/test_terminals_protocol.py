"""Frames and versions of the PTY host's protocol."""

from __future__ import annotations

import json
import os
import socket
import struct
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bg_runner.terminals.protocol import (
    MAX_FRAME,
    FrameDecoder,
    ProtocolError,
    connecting_path,
    encode,
    host_key,
    listening_path,
    negotiate,
    receive_one,
)

# Command lines and environments are arbitrary bytes: those that are no UTF-8 travel as lone surrogates.
texts = st.text() | st.binary(max_size=20).map(os.fsdecode)
messages = st.dictionaries(
    texts, st.recursive(st.none() | st.booleans() | st.integers() | texts, st.lists, max_leaves=8)
)


@settings(deadline=None, max_examples=50)
@given(st.lists(messages, max_size=5), st.data())
def test_messages_survive_any_cutting_of_the_stream(sent: list[dict[str, object]], data: st.DataObject) -> None:
    stream = b"".join(encode(message) for message in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = FrameDecoder()
    received = [
        message for begin, end in pairwise([0, *cuts, len(stream)]) for message in decoder.feed(stream[begin:end])
    ]
    assert received == sent


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_a_protocol_error_or_incomplete_but_nothing_else(garbage: bytes) -> None:
    try:
        for message in FrameDecoder().feed(garbage):
            assert isinstance(message, dict)
    except ProtocolError:
        pass


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(FrameDecoder().feed(struct.pack(">I", len(body)) + body))


def test_a_frame_that_is_too_large_is_refused_before_it_is_received() -> None:
    with pytest.raises(ProtocolError, match="too large"):
        list(FrameDecoder().feed(struct.pack(">I", MAX_FRAME + 1)))
    with pytest.raises(ProtocolError, match="too large"):
        encode({"data": "x" * MAX_FRAME})


def test_receive_one_leaves_the_rest_for_another_reader() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(encode({"first": 1}) + encode({"second": 2}))
        assert receive_one(theirs) == {"first": 1}
        assert theirs.recv(100)[4:] == json.dumps({"second": 2}, separators=(",", ":")).encode()
        ours.sendall(b"\0\0")
        ours.shutdown(socket.SHUT_WR)
        assert receive_one(theirs) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "version"),
    [((1, 1), [1, 1], 1), ((1, 2), [1, 1], 1), ((2, 3), [1, 2], 2), ((1, 1), [1, 9], 1), ((4, 5), [3, 7], 5)],
)
def test_the_highest_common_version_is_spoken(ours: tuple[int, int], theirs: object, version: int) -> None:
    assert negotiate(ours, theirs) == version


@pytest.mark.parametrize("theirs", [[1, 1], [4, 9], None, [2], ["2", "3"], [True, True], "23", {"2": 3}])
def test_no_common_version_is_said_clearly(theirs: object) -> None:
    with pytest.raises(ProtocolError, match="version"):
        negotiate((2, 3), theirs)


def test_a_short_directory_holds_its_socket() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        assert listening_path(Path(name)) == connecting_path(Path(name)) == Path(name) / "host.sock"


def test_a_long_directory_gets_a_private_runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / ("long" * 25)
    directory.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/dev/shm")
    path = listening_path(directory)
    assert path == Path("/dev/shm/bg-runner") / f"{host_key(directory)}.sock"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert len(os.fsencode(path)) <= 100


def test_a_runtime_directory_that_others_may_enter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / ("long" * 25)
    directory.mkdir()
    open_to_all = tmp_path / "bg-runner"
    open_to_all.mkdir(mode=0o755)
    open_to_all.chmod(0o755)
    (directory / "host.sock").symlink_to(open_to_all / "some.sock")
    with pytest.raises(PermissionError, match="0700"):
        connecting_path(directory)
