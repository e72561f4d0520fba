"""What happens by the clock: the flush of progress and the clean-up. APScheduler runs it, also when the clock jumps."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

log = logging.getLogger(__name__)
JUMP_SECONDS = 2.0


class Schedule:
    """Interval jobs. A job that is still running is not started beside itself; a late one runs once, not many times."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._closed = threading.Event()
        self._guard = threading.Thread(target=self._watch_clock, name="clock-guard", daemon=True)

    def every(self, seconds: float, job: Callable[[], object], name: str) -> None:
        """Run `job` every `seconds` from now on."""
        self._scheduler.add_job(job, "interval", seconds=seconds, id=name, name=name)

    def start(self) -> None:
        self._scheduler.start()
        self._guard.start()

    def close(self) -> None:
        """Stop; jobs under way are not waited for."""
        self._closed.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _watch_clock(self) -> None:
        """APScheduler sleeps until a wall-clock time: set back an hour it would be silent for an hour."""
        offset = time.time() - time.monotonic()
        while not self._closed.wait(1.0):
            now = time.time() - time.monotonic()
            if abs(now - offset) > JUMP_SECONDS:
                log.warning("the clock jumped by %.0f s; the jobs start anew", now - offset)
                self.start_anew()
            offset = now

    def start_anew(self) -> None:
        """Run every job now and count its interval from here."""
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=datetime.now(UTC))
