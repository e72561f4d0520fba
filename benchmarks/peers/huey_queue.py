"""huey with SQLite and one worker: enqueue N tasks, wait for all results. Prints the seconds.

The consumer is started ahead of the clock and polls every 10 ms: as shipped it waits for up to 10 s when it was idle.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    count, where = int(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory(dir=where) as directory:
        os.environ["HUEY_FILE"] = str(Path(directory) / "huey.db")
        from benchmarks.peers.huey_tasks import huey, run_true

        command = [sys.executable, "-m", "huey.bin.huey_consumer", "benchmarks.peers.huey_tasks.huey"]
        consumer = subprocess.Popen([*command, "-w", "1", "-d", "0.01", "-m", "0.01", "-q"], stderr=subprocess.DEVNULL)
        try:
            run_true().get(blocking=True, timeout=60)
            began = time.perf_counter()
            results = [run_true() for _ in range(count)]
            while huey.result_count() < count:
                time.sleep(0.01)
            took = time.perf_counter() - began
            if any(result.get() != 0 for result in results):
                raise RuntimeError("huey lost a result")
            print(took)
        finally:
            consumer.terminate()
            consumer.wait(30)


if __name__ == "__main__":
    main()
