"""Frames that are made without a WebSocket library are what such a library reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from bg_runner.web.websocket_protocol import binary_frame


def received(data: bytes) -> list[Frame]:
    client = ClientProtocol(parse_uri("ws://example.org/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, Frame)]


@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=3))
def test_a_frame_is_read_back_as_its_parts(sizes: list[int]) -> None:
    parts = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    (frame,) = received(binary_frame(*parts))
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.BINARY, True, b"".join(parts))


def test_the_lengths_where_the_head_grows() -> None:
    sizes = (0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20)
    frames = received(b"".join(binary_frame(b"x" * size) for size in sizes))
    assert [len(frame.data) for frame in frames] == list(sizes)
