"""task-spooler with one slot: enqueue N times, wait for the last one. Prints the seconds.

One shell enqueues everything, so that only tsp's own client is started for each task.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENQUEUE = 'i=0; while [ "$i" -lt "$1" ]; do tsp -n /bin/sh -c true >/dev/null; i=$((i+1)); done; tsp -w'


def main() -> None:
    count = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        own = {"TS_SOCKET": str(Path(directory) / "socket"), "TS_SLOTS": "1", "TMPDIR": directory}
        env = os.environ | own
        subprocess.run(["tsp", "-S", "1"], env=env, check=True)  # starts its server
        try:
            began = time.perf_counter()
            subprocess.run(["/bin/sh", "-c", ENQUEUE, "enqueue", count], env=env, check=True)
            took = time.perf_counter() - began
            listed = subprocess.run(["tsp", "-l"], env=env, check=True, capture_output=True, text=True).stdout
            if listed.count(" finished ") < min(int(count), 1000):
                raise RuntimeError(f"not every task was run: {listed[-500:]}")
            print(took)
        finally:
            subprocess.run(["tsp", "-K"], env=env, check=False)


if __name__ == "__main__":
    main()
