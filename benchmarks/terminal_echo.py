"""(g) From a key to its echo: one byte is typed, what the terminal itself echoes is awaited, then the next."""

from __future__ import annotations

import json
import sys
import time

from benchmarks.idle_tasks import cpu_seconds
from benchmarks.report import Row, Size, median
from benchmarks.terminal_client import SIDES, shell_line, wait_for
from benchmarks.terminal_sides import Side, answer_of, our_side, start_client, terminado_side

PART = "echo"
AIM_P50 = 0.7
AIM_P99 = 0.25
KEYS: dict[Size, int] = {"full": 2000, "small": 50}
ROUNDS: dict[Size, int] = {"full": 7, "small": 1}


def measure(size: Size) -> list[Row]:
    """The kernel echoes (`stty -icanon echo`), so nothing but the servers lies between the key and its echo."""
    values: dict[str, list[dict[str, float]]] = {"ours": [], "terminado": []}
    with our_side() as ours, terminado_side() as peer:

        def type_keys(side: Side) -> None:
            url = side.terminal(f"t{len(values[side.name])}")
            processes = side.processes()
            before = sum(map(cpu_seconds, processes))
            answer = answer_of(start_client("terminal_echo", side, url, KEYS[size]))
            answer["cpu"] = 1e6 * (sum(map(cpu_seconds, processes)) - before) / KEYS[size]
            values[side.name].append(answer)

        for _ in range(ROUNDS[size]):
            type_keys(ours)
            type_keys(peer)
    rows = []
    cpu = {name: median([one["cpu"] for one in all_of]) for name, all_of in values.items()}
    used = f"CPU a key {cpu['ours']:.0f} µs in server and host, {cpu['terminado']:.0f} in terminado"
    for quantile, aim in (("p50", AIM_P50), ("p99", AIM_P99)):
        mine, others = ([one[quantile] for one in values[name]] for name in ("ours", "terminado"))
        share = median(mine) / median(others)
        what, note = f"a key's echo, {quantile}", f"{share:.2f} of terminado's; {used}"
        rows.append(Row(PART, what, "ms", mine, others, "terminado", f"<= {aim} x", share <= aim, note))
    return rows


def main() -> None:
    """The client: [side, token, address, number of keys]."""
    side, token, url, count = sys.argv[1:]
    terminal = SIDES[side](url, token)
    terminal.ready()
    terminal.type(shell_line("stty -icanon -onlcr echo; PS1=", "@@ready@@").replace(b"\r", b"; cat >/dev/null\r"))
    wait_for(terminal, b"@@ready@@")
    time.sleep(0.3)  # What follows the marker comes, and the program reads, before the first key.
    output = terminal.output()
    waits: list[float] = []
    for number in range(int(count)):
        key = b"abcdefghijklmnopqrstuvwxyz"[number % 26 :][:1]
        began = time.perf_counter()
        terminal.type(key)
        while key not in next(output)[1]:
            pass
        waits.append(time.perf_counter() - began)
    waits.sort()
    print(json.dumps({"p50": 1000 * waits[len(waits) // 2], "p99": 1000 * waits[int(len(waits) * 0.99)]}))


if __name__ == "__main__":
    main()
