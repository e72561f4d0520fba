"""The life of the shared browser: started late, replaced, crashed, stopped, shut down, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bg_runner.errors import Interrupted
from bg_runner.tasks.browsers import BrowserProcess
from bg_runner.tasks.execution import Execution
from tests.browser_execution import Bench, Running, click, navigate, noted, task_of
from tests.conditions import wait_until
from tests.integration.browser_site import Site, serve

WAIT = {"type": "waitForExpression", "expression": "window.released", "timeout": 60_000}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve() as served:
        served.page("/page", "<p id=p>p</p>")
        yield served


@pytest.fixture
def bench(tmp_path: Path, chromium_path: str) -> Iterator[Bench]:
    made = Bench.make(tmp_path / "data", chromium=chromium_path)
    yield made
    made.browsers.close()


def alive(pids: list[int]) -> list[int]:
    """Those of `pids` that still run."""
    found = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


def waiting(bench: Bench, site: Site) -> tuple[Running, Execution]:
    """A task that waits in its second step until somebody ends it."""
    execution = bench.execution()
    running = bench.begin(task_of(navigate(f"{site.url}/page"), WAIT), execution)
    wait_until(lambda: noted(execution).steps and noted(execution).steps[-1][0] == 2, 30)
    return running, execution


def browser_pid(bench: Bench) -> int:
    (process,) = bench.browsers._all
    return process.launched.pids[-1]


def test_the_browser_starts_when_it_is_needed_and_serves_many_tasks(bench: Bench, site: Site) -> None:
    assert bench.browsers.processes() == []
    assert bench.run(navigate(f"{site.url}/page")).status == "completed"
    first = browser_pid(bench)
    assert bench.run(navigate(f"{site.url}/page")).status == "completed"
    assert browser_pid(bench) == first
    report = bench.browsers.report()
    assert report.found
    assert report.sandbox == (os.geteuid() != 0)
    assert report.version.split(".")[0].isdigit()


@pytest.mark.parametrize("victim", ["browser", "driver"])
def test_a_crash_fails_the_running_step_and_the_next_task_gets_a_new_browser(
    bench: Bench, site: Site, victim: str
) -> None:
    running, _ = waiting(bench, site)
    (process,) = bench.browsers._all
    began = time.monotonic()
    os.kill(process.launched.pids[-1 if victim == "browser" else 0], signal.SIGKILL)
    outcome = running.result(5)

    assert time.monotonic() - began < 5
    assert outcome.error is not None
    assert outcome.error.code == "BROWSER_CRASHED"
    assert outcome.error.details["step"] == 2
    assert bench.run(navigate(f"{site.url}/page")).status == "completed"


def _is_renderer(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):  # one that just ended
        return "--type=renderer" in " ".join(process.cmdline())
    return False


def test_a_crashed_page_fails_its_task_only(bench: Bench, site: Site) -> None:
    running, _ = waiting(bench, site)
    other, _ = waiting(bench, site)
    (process,) = bench.browsers._all
    renderers = [child for child in process.processes() if _is_renderer(child)]
    crashed = bench.run(navigate("chrome://crash"))
    assert crashed.error is not None
    assert crashed.error.code == "URL_REFUSED"
    for renderer in renderers:
        with contextlib.suppress(psutil.NoSuchProcess):
            renderer.kill()
    outcomes = [running.result(5), other.result(5)]
    assert [outcome.error.code for outcome in outcomes if outcome.error] == ["BROWSER_CRASHED"] * 2
    assert bench.run(navigate(f"{site.url}/page")).status == "completed"
    assert browser_pid(bench) == process.launched.pids[-1], "the browser itself lived on"


def test_stop_closes_the_context_at_once(bench: Bench, site: Site) -> None:
    running, execution = waiting(bench, site)
    began = time.monotonic()
    execution.stop.set()
    execution.stop.set()
    outcome = running.result(5)

    assert outcome.status == "stopped"
    assert outcome.receipt is not None
    assert outcome.receipt.survivors == []
    assert time.monotonic() - began < 4
    assert bench.browsers._current is not None
    assert bench.browsers._current.browser.contexts == []


def test_a_stop_before_the_start_starts_nothing(bench: Bench, site: Site) -> None:
    execution = bench.execution()
    execution.stop.set()
    seen = len(site.seen)
    assert bench.executor.execute(task_of(navigate(f"{site.url}/page")), execution).status == "stopped"
    assert len(site.seen) == seen


def test_a_context_that_does_not_close_costs_the_browser_and_others_run_again(bench: Bench, site: Site) -> None:
    hanging, execution = waiting(bench, site)
    other_execution = bench.execution()
    held = site.page("/held", "<p>waits for the kill</p>")
    until_there = {**WAIT, "expression": "fetch('/again').then((answer) => answer.ok)"}
    other = bench.begin(task_of(navigate(held), until_there), other_execution)
    wait_until(lambda: noted(other_execution).steps and noted(other_execution).steps[-1][0] == 2, 30)
    (process,) = bench.browsers._all
    # A browser that is stopped answers nothing, so the context does not close.
    psutil.Process(process.launched.pids[-1]).suspend()
    site.page("/again", "now")
    execution.stop.set()
    outcome = hanging.result(12)

    assert outcome.status == "stopped"
    assert outcome.receipt is not None
    assert process.launched.pids[-1] in outcome.receipt.ended
    assert outcome.receipt.survivors == []
    assert 4 < outcome.receipt.seconds < 10
    assert other.result(30).status == "completed", "it was not to blame and ran again"
    assert "begins again" in bench.log(other_execution)


def test_a_task_has_a_time_limit(bench: Bench, site: Site) -> None:
    bench.run(navigate(f"{site.url}/page"))
    outcome = bench.run(navigate(f"{site.url}/page"), WAIT, timeout=5)
    assert outcome.error is not None
    assert outcome.error.code == "TASK_TIMEOUT"
    assert outcome.error.details["step"] == 2


def test_the_browser_is_replaced_without_disturbing_running_tasks(
    tmp_path: Path, chromium_path: str, site: Site
) -> None:
    bench = Bench.make(tmp_path, chromium=chromium_path, browser_tasks_per_process=2)
    try:
        running, execution = waiting(bench, site)
        first = browser_pid(bench)
        bench.run(navigate(f"{site.url}/page"))
        assert browser_pid(bench) == first
        bench.run(navigate(f"{site.url}/page"))
        assert len(bench.browsers._all) == 2, "the first still serves the task that runs in it"
        execution.stop.set()
        assert running.result(10).status == "stopped"
        wait_until(lambda: alive([first]) == [])
    finally:
        bench.browsers.close()


def test_a_browser_that_grew_too_large_is_replaced(tmp_path: Path, chromium_path: str, site: Site) -> None:
    bench = Bench.make(tmp_path, chromium=chromium_path, browser_memory_bytes=64 * 1024**2)
    try:
        bench.run(navigate(f"{site.url}/page"))
        wait_until(lambda: bench.browsers.processes() == [])
        assert bench.run(navigate(f"{site.url}/page")).status == "completed"
    finally:
        bench.browsers.close()


def test_shutting_down_is_no_failure_and_leaves_nothing(bench: Bench, site: Site) -> None:
    first, execution = waiting(bench, site)
    second, _ = waiting(bench, site)
    pids = bench.browsers.processes()
    bench.browsers.begin_shutdown()
    began = time.monotonic()
    execution.leave.set()
    assert first.result(1).status == "interrupted"
    bench.browsers.close()

    assert time.monotonic() - began < 4.5
    assert second.result(1).status == "interrupted"
    assert wait_until(lambda: alive(pids) == [])
    assert list((bench.settings.data_dir / "browser").iterdir()) == []
    assert bench.run(navigate(f"{site.url}/page")).status == "interrupted"
    with pytest.raises(Interrupted):
        bench.executor.plan(task_of(start_url=f"{site.url}/page"), bench.execution())


def test_without_any_browser_a_task_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(empty))
    bench = Bench.make(tmp_path / "data", chromium="/no/such/chromium")
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(empty))
    try:
        outcome = bench.run(navigate(f"{site.url}/page"))
        report = bench.browsers.report()
    finally:
        monkeypatch.setenv("PATH", path)
        bench.browsers.close()
    if report.found:
        pytest.fail(f"this machine has a browser that cannot be hidden: {report}")
    assert outcome.error is not None
    assert outcome.error.code == "NO_BROWSER"
    assert "/no/such/chromium" in outcome.error.message
    assert outcome.error.hint.startswith("Install one: ")
    assert [refused.source for refused in report.refused][:2] == ["BG_RUNNER_CHROMIUM", "Playwright's own"]
    assert report.command


FORBIDDEN = """#!/bin/sh
for argument in "$@"; do
  [ "$argument" = --no-sandbox ] && exec "{chromium}" "$@"
done
echo 'FATAL: No usable sandbox! Update your kernel' >&2
exit 1
"""


def test_the_sandbox_is_off_only_where_it_must_be(
    tmp_path: Path, chromium_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chromium = tmp_path / "chromium"
    chromium.write_text(FORBIDDEN.format(chromium=chromium_path))
    chromium.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    bench = Bench.make(tmp_path / "data", chromium=str(chromium))
    report = bench.browsers.report()
    assert (report.found, report.source, report.sandbox) == (True, "BG_RUNNER_CHROMIUM", False)
    assert report.sandbox_reason.startswith("the kernel forbids it: ")
    assert "sandbox" in report.sandbox_reason


def test_closing_while_the_browser_starts_leaves_nothing(bench: Bench) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    def new() -> list[int]:
        return alive([child.pid for child in psutil.Process().children(recursive=True) if child.pid not in before])

    bench.browsers.warm()
    wait_until(new)
    began = time.monotonic()
    bench.browsers.close()
    assert time.monotonic() - began < 5
    wait_until(lambda: not new())
    assert bench.browsers.processes() == []


SERVER = """
import sys, threading
from pathlib import Path
from tests.browser_execution import Bench, navigate
bench = Bench.make(Path(sys.argv[1]), chromium=sys.argv[2])
outcome = bench.run(navigate(sys.argv[3]))
try:
    print(outcome.status, *bench.browsers.processes(), flush=True)
    threading.Event().wait()
except KeyboardInterrupt:
    again = bench.run(navigate(sys.argv[3]))
    print(again.status, flush=True)
"""


@pytest.fixture
def server(tmp_path: Path, chromium_path: str, site: Site) -> Iterator[subprocess.Popen[str]]:
    """A process of its own group that has used a browser, as a server started in a terminal."""
    program = textwrap.dedent(SERVER)
    command = [sys.executable, "-c", program, str(tmp_path / "data"), chromium_path, f"{site.url}/page"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        yield process
        process.kill()


def started(server: subprocess.Popen[str]) -> list[int]:
    assert server.stdout is not None
    status, *pids = server.stdout.readline().split()
    assert status == "completed"
    assert len(pids) > 2
    return [int(pid) for pid in pids]


def test_no_process_outlives_a_server_that_is_killed(server: subprocess.Popen[str]) -> None:
    pids = started(server)
    server.send_signal(signal.SIGKILL)
    server.wait(5)
    wait_until(lambda: alive(pids) == [])


def test_ctrl_c_on_the_terminal_does_not_reach_the_browser(server: subprocess.Popen[str]) -> None:
    pids = started(server)
    os.killpg(server.pid, signal.SIGINT)
    assert server.stdout is not None
    assert server.stdout.readline().strip() == "completed", "the same browser still works"
    server.wait(10)
    wait_until(lambda: alive(pids) == [])


def test_many_threads_share_one_browser(bench: Bench, site: Site) -> None:
    outcomes: list[str] = []

    def work() -> None:
        outcomes.append(bench.run(navigate(f"{site.url}/page"), click("#p")).status)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert outcomes == ["completed"] * 6
    assert len(bench.browsers._all) == 1
    assert isinstance(bench.browsers._all[0], BrowserProcess)
