"""Progress of a shell command out of its output."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bg_runner.tasks.progress import ProgressParser


def parsed(*pieces: bytes) -> float | None:
    parser = ProgressParser()
    for piece in pieces:
        parser.feed(piece)
    return parser.percent


@pytest.mark.parametrize(
    ("output", "percent"),
    [
        (b"compiling\n", None),
        (b"45%", 45),
        (b"45.7 % done, 50 %\r", 50),
        (b"250% faster", None),
        (b"12% then 250%", 12),
        (b"v1.45%", 1.45),
        (b"\x1b]9;4;1;30\x07", 30),
        (b"\x1b]9;4;1;30\x1b\\ 99%", 30),
        (b"99% \x1b]9;4;1;30\x07", 30),
        (b"\x1b]9;4;1;30\x07\x1b]9;4;3\x07", None),
        (b"\x1b]9;4;1;30\x07\x1b]9;4;0;0\x07 80%", None),
        (b"\x1b]9;4;1;40\x07\x1b]9;4;4\x07", 40),
        (b"\x1b]9;4;1;999\x07", 100),
        (b"\x1b]9;4;7;1\x07", None),
    ],
)
def test_the_last_word_counts(output: bytes, percent: float | None) -> None:
    assert parsed(output) == percent


TOKENS = st.sampled_from(
    [b"\x1b]9;4;1;", b"\x1b]9;4;0;0\x07", b"\x07", b"\x1b\\", b"%", b" ", b"\n", b"x", b"7", b"42", b"."]
)


@given(st.lists(TOKENS, max_size=30), st.data())
def test_pieces_of_any_size_give_what_the_whole_gives(tokens: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(tokens)
    cut = data.draw(st.integers(0, len(whole)))
    assert parsed(whole[:cut], whole[cut:]) == parsed(whole)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_percentage_or_none(output: bytes) -> None:
    percent = parsed(output)
    assert percent is None or 0 <= percent <= 100
