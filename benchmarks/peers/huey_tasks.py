"""huey's application: its queue is the SQLite file that HUEY_FILE names, with huey's own settings."""

from __future__ import annotations

import os
import subprocess

from huey import SqliteHuey

huey = SqliteHuey(filename=os.environ["HUEY_FILE"])


@huey.task()  # type: ignore[untyped-decorator]
def run_true() -> int:
    """The same command as everybody else's. The result must not be None, which huey would not store."""
    return subprocess.run(["/bin/sh", "-c", "true"], check=True).returncode
