"""(f) A large coloured log through one terminal to one client, in bytes that the terminal wrote per second."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.idle_tasks import cpu_seconds
from benchmarks.report import Row, Size, in_turn, median
from benchmarks.server import ON_DISK
from benchmarks.terminal_client import SIDES, Ours, shell_line, wait_for
from benchmarks.terminal_sides import Side, answer_of, our_side, start_client, terminado_side, write_log

PART = "throughput"
AIM = 1.1
BYTES: dict[Size, int] = {"full": 64 << 20, "small": 1 << 20}
ROUNDS: dict[Size, int] = {"full": 5, "small": 1}


def measure(size: Size) -> list[Row]:
    """`cat` of a file in the terminal, from the key that starts it to the last byte at the client."""
    took: dict[str, list[dict[str, float]]] = {"ours": [], "terminado": []}
    with tempfile.TemporaryDirectory(dir=ON_DISK) as directory, our_side() as ours, terminado_side() as peer:
        log = Path(directory) / "coloured.log"
        written = write_log(log, BYTES[size])

        def flood(side: Side) -> float:
            before = cpu_seconds(side.process)
            client = start_client("terminal_throughput", side, side.terminal(f"t{len(took[side.name])}"), log)
            answer: dict[str, float] = answer_of(client)
            took[side.name].append(answer | {"server_cpu": cpu_seconds(side.process) - before})
            if side is ours and not answer["snapshots"] and answer["bytes"] < written:
                raise RuntimeError(f"{written} bytes were written, {answer['bytes']} came")
            # What a snapshot made up for was not delivered.
            bytes_there = answer["bytes"] if side is ours else written
            return bytes_there / answer["seconds"] / 1e6

        rates, peers = in_turn(ROUNDS[size], lambda: flood(ours), lambda: flood(peer))
    ratio = median(rates) / median(peers)
    cpu = {name: 1e9 * median([one["server_cpu"] for one in all_of]) / written for name, all_of in took.items()}
    missed = sum(one["snapshots"] for one in took["ours"])
    note = (
        f"{ratio:.2f} times terminado's; CPU of the server process {cpu['ours']:.1f} ms per MB (terminado "
        f"{cpu['terminado']:.1f}); snapshots instead of bytes: {missed:g}"
    )
    what = f"{BYTES[size] >> 20} MB coloured log to one client"
    return [
        Row(PART, what, "MB/s", rates, peers, "terminado", f">= {AIM} x", ratio >= AIM, note, more_is_better=True),
    ]


def main() -> None:
    """The client: [side, token, address, log]."""
    side, token, url, log = sys.argv[1:]
    terminal = SIDES[side](url, token)
    terminal.ready()
    terminal.type(shell_line("stty -echo; PS1=", "@@ready@@"))
    wait_for(terminal, b"@@ready@@")
    before = terminal.snapshots
    began = time.perf_counter()
    terminal.type(shell_line(f"cat {log}", "@@end-of-log@@"))
    total = wait_for(terminal, b"@@end-of-log@@")
    took = time.perf_counter() - began
    assert isinstance(terminal, Ours) or not terminal.snapshots
    print(json.dumps({"seconds": took, "bytes": total, "snapshots": terminal.snapshots - before}))


if __name__ == "__main__":
    main()
