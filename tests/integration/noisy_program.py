"""What the tests of resuming let run in a terminal: random but known output, one section for every line typed.

`python noisy_program.py SEED SECTIONS`: numbers, colours, wide characters, moves, other screens, torn sequences,
floods.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable

FLOOD = 25_000  # lines; more than a megabyte
WIDE = "宽字符终端 é ü 👍🏽 한국어 ｆｕｌｌ "


def numbers(rng: random.Random) -> str:
    first = rng.randrange(10**6)
    return "".join(f"line {first + number}\r\n" for number in range(rng.randrange(1, 400)))


def colours(rng: random.Random) -> str:
    return "".join(
        f"\x1b[{rng.choice((1, 3, 4, 7))};38;5;{rng.randrange(256)}m{'#' * rng.randrange(1, 200)}\x1b[0m\r\n"
        for _ in range(rng.randrange(1, 60))
    )


def wide(rng: random.Random) -> str:
    return "".join(WIDE * rng.randrange(1, 20) + rng.choice(("\r\n", "\n", "")) for _ in range(rng.randrange(1, 40)))


def moves(rng: random.Random) -> str:
    sequences = (
        lambda: f"\x1b[{rng.randrange(1, 30)};{rng.randrange(1, 90)}H*",
        lambda: f"\x1b[{rng.randrange(3)}K",
        lambda: f"\x1b[{rng.randrange(1, 4)}{rng.choice('ABCDLMPX@ST')}",
        lambda: f"\x1b[{rng.randrange(1, 8)};{rng.randrange(10, 24)}r",
        lambda: "\x1b[r\x1b[24;1H\r\n",
        lambda: "\x1b7\x1b[1;1Hsaved\x1b8",
        lambda: f"\x1b]2;title {rng.randrange(1000)}\x07",
        lambda: "\x1b(0lqqk\x1b(B",
        lambda: "\x1b[?2004h\x1b[?25l\x1b[?25h",
    )
    return "".join(rng.choice(sequences)() for _ in range(rng.randrange(1, 300))) + "\x1b[r\x1b[24;1H\r\n"


def other_screen(rng: random.Random) -> str:
    inside = "".join(f"\x1b[{row};1H\x1b[2Krow {row} {rng.random()}" for row in range(1, 25))
    return f"\x1b[?1049h\x1b[2J{inside}" + ("\x1b[?1049l" if rng.random() < 0.7 else "")


def back_to_first(_rng: random.Random) -> str:
    return "\x1b[?1049l"


def progress(rng: random.Random) -> str:
    return "".join(f"\r{percent:3d} % {'=' * (percent // 3)}" for percent in range(rng.randrange(1, 101))) + "\r\n"


SECTIONS: tuple[Callable[[random.Random], str], ...] = (
    numbers,
    colours,
    wide,
    wide,
    moves,
    other_screen,
    back_to_first,
    progress,
)


def flood(rng: random.Random) -> str:
    return "\x1b[?1049l" + "".join(
        f"\x1b[3{number % 8}mflood {number} 满 {rng.randrange(10**12)}\x1b[m\r\n" for number in range(FLOOD)
    )


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def main(seed: int, sections: int) -> None:
    rng = random.Random(seed)
    floods = set(rng.sample(range(sections), 2))
    for section in range(sections):
        sys.stdin.readline()
        make = flood if section in floods else rng.choice(SECTIONS)
        data = make(rng).encode()
        # In pieces that tear characters and sequences, with pauses between some.
        at = rng.randrange(len(data) + 1)
        for cut in sorted((at, rng.randrange(len(data) + 1))):
            write(data[:cut])
            data = data[cut:]
            time.sleep(rng.choice((0.0, 0.0, 0.02)))
        write(data)
    write(b"\x1b[?1049l\r\nTHE END\r\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
