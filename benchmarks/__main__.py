"""`python -m benchmarks [names...]`: run the parts and print one table. See docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import cast

from benchmarks.report import Row, Size, load, machine, table

PARTS = {
    "shell": "shell_list",
    "first": "first_task",
    "browser": "browser_list",
    "memory": "browser_memory",
    "status": "status_load",
    "idle": "idle_tasks",
    "lines": "line_reads",
    "throughput": "terminal_throughput",
    "echo": "terminal_echo",
    "crowd": "terminal_crowd",
    "attach": "terminal_attach",
    "idle-terminals": "terminal_idle",
    "native": "native_sessions",
}


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if a part could not run; a missed aim is reported, not punished."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure bg-runner beside its peers.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"parts to run (default: all): {', '.join(PARTS)}")
    parser.add_argument("--size", choices=("full", "small"), default="full", help="small: only to see that it runs")
    parser.add_argument("--json", action="store_true", help="print JSON with every single value instead of the table")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended on the way out
    about, rows, failures = machine(), [], []
    for name in options.names or PARTS:
        print(f"{name}: load {load()} ...", file=sys.stderr, flush=True)
        try:
            measure = cast("Callable[[Size], list[Row]]", import_module(f"benchmarks.{PARTS[name]}").measure)
            rows += measure(options.size)
        except Exception as error:
            failures.append(name)
            rows.append(Row(name, "could not be measured", "", note=f"{type(error).__name__}: {error}"))
    about["load_after"] = load()
    if options.json:
        print(json.dumps({"machine": about, "size": options.size, "rows": [row.as_json() for row in rows]}, indent=1))
    else:
        print("\n".join(f"{name}: {value}" for name, value in about.items()), end="\n\n")
        print(table(rows))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
