"""(i) From connecting to the whole snapshot, on a terminal that has printed 10,000 lines."""

from __future__ import annotations

import json
import sys
import time

from benchmarks.report import Row, Size, median
from benchmarks.terminal_client import Ours, shell_line, wait_for
from benchmarks.terminal_sides import answer_of, our_side, start_client

PART = "attach"
AIM_MS = 50.0
LINES = 10_000
CONNECTS: dict[Size, int] = {"full": 200, "small": 5}
ROUNDS: dict[Size, int] = {"full": 3, "small": 1}


def measure(size: Size) -> list[Row]:
    """The terminal prints between two connects, so that no snapshot serves twice."""
    with our_side() as side:
        answers = [
            answer_of(start_client("terminal_attach", side, side.terminal(""), CONNECTS[size]))
            for _ in range(ROUNDS[size])
        ]
    tails = [answer["p95"] for answer in answers]
    middle = {name: median([answer[name] for answer in answers]) for name in ("screen", "p50", "bytes")}
    note = (
        f"p50 {middle['p50']:.1f} ms; the screen alone is there after {middle['screen']:.1f} ms (p50); "
        f"{middle['bytes'] / 1e6:.2f} MB"
    )
    what = f"connect to snapshot delivered, {LINES:,} lines, p95"
    return [Row(PART, what, "ms", tails, aim=f"<= {AIM_MS:g} ms", met=median(tails) <= AIM_MS, note=note)]


def main() -> None:
    """The client: [side, token, address, number of connects]."""
    _, token, url, count = sys.argv[1:]
    typist = Ours(url, token)
    typist.ready()
    colours = r"\033[3$((i % 8))mline %d of a build that prints what it does and how long it took\033[0m\n"
    loop = f"for ((i = 0; i < {LINES}; i++)); do printf '{colours}' $i; done"
    typist.type(shell_line(loop, "@@ready@@"))
    wait_for(typist, b"@@ready@@")
    screens: list[float] = []
    wholes: list[float] = []
    size = 0
    for number in range(int(count)):
        typist.type(shell_line("true", f"@@{number}@@"))
        wait_for(typist, f"@@{number}@@".encode())
        began = time.perf_counter()
        client = Ours(url + "&mode=view", token)
        for _ in client.output():
            if client.snapshots > len(screens) - number:
                screens.append(time.perf_counter() - began)
            if client.whole_snapshots:
                break
        wholes.append(time.perf_counter() - began)
        size = client.snapshot_bytes
        client.socket.raw.close()
    screens.sort()
    wholes.sort()
    milliseconds = {
        "screen": 1000 * screens[len(screens) // 2],
        "p50": 1000 * wholes[len(wholes) // 2],
        "p95": 1000 * wholes[int(len(wholes) * 0.95)],
    }
    print(json.dumps(milliseconds | {"bytes": size}))


if __name__ == "__main__":
    main()
