"""Jobs by the clock, also when the clock jumps."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bg_runner.runs import schedule as schedule_module
from bg_runner.runs.schedule import Schedule
from tests.conditions import wait_until


@pytest.fixture
def schedule() -> Iterator[Schedule]:
    made = Schedule()
    yield made
    made.close()


def test_a_job_runs_again_and_again_and_a_failing_one_does_not_end_the_others(schedule: Schedule) -> None:
    runs: list[float] = []
    schedule.every(0.02, lambda: 1 / 0, "broken")
    schedule.every(0.02, lambda: runs.append(time.monotonic()), "good")
    schedule.start()
    assert wait_until(lambda: len(runs) > 3)


def test_a_clock_that_is_set_back_an_hour_does_not_silence_the_jobs(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = threading.Event()
    schedule.every(3600.0, ran.set, "flush")
    schedule.start()
    job = schedule._scheduler.get_job("flush")
    job.modify(next_run_time=datetime.now(UTC) + timedelta(hours=1))  # what the set-back clock makes of it
    assert not ran.is_set()

    class SetBack:
        monotonic = staticmethod(time.monotonic)
        time = staticmethod(lambda: time.time() - 3600)

    monkeypatch.setattr(schedule_module, "time", SetBack)
    assert ran.wait(10)


def test_a_slow_job_is_not_started_beside_itself(schedule: Schedule) -> None:
    running = threading.Semaphore(1)
    overlaps: list[bool] = []
    turns: list[int] = []
    release = threading.Event()

    def job() -> None:
        overlaps.append(not running.acquire(blocking=False))
        release.wait(0.1)
        turns.append(1)
        running.release()

    schedule.every(0.01, job, "slow")
    schedule.start()
    wait_until(lambda: len(turns) > 2)
    assert not any(overlaps)
