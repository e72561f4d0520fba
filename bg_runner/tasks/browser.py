"""Executes a browser task: a fresh context of the shared browser, its steps replayed, what came of it told."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, cast

from playwright.async_api import BrowserContext, StorageState
from playwright.async_api import Error as PlaywrightError

from bg_runner.errors import (
    BgRunnerError,
    BrowserCrashed,
    InternalError,
    Interrupted,
    NoPath,
    ShuttingDown,
    TaskFailure,
    UrlRefused,
)
from bg_runner.files import set_aside
from bg_runner.settings import Settings
from bg_runner.tasks.browser_attempt import Attempt, Reason, context_options
from bg_runner.tasks.browser_log import Artifacts, TaskLog
from bg_runner.tasks.browser_watch import PageWatch
from bg_runner.tasks.browsers import BrowserProcess, Browsers, is_running
from bg_runner.tasks.execution import ErrorInfo, Execution, Outcome
from bg_runner.tasks.guard_proxy import GuardProxy
from bg_runner.tasks.models import BrowserTask
from bg_runner.tasks.planner import LINKS_SCRIPT, choose_links, plan_path
from bg_runner.tasks.profiles import Profiles
from bg_runner.tasks.replay import Replay
from bg_runner.tasks.replay_stage import Stage
from bg_runner.tasks.steps import label, starts_with_navigate

log = logging.getLogger(__name__)
Work = Callable[[Attempt, BrowserProcess], Awaitable[Outcome]]
STAGE_TIMEOUT = 30.0
QUIET_TIMEOUT = 2.0
CLOSE_TIMEOUT = 5.0
# A call may fail a moment before the news that its browser died.
NEWS_OF_DEATH = 1.0
DEATH_TIMEOUT = 3.0


class BrowserTaskExecutor:
    """Implements `execution.BrowserExecutor`. Its methods block the calling thread and are safe from any."""

    def __init__(self, settings: Settings, browsers: Browsers) -> None:
        self._settings = settings
        self._browsers = browsers
        self._profiles = Profiles(settings.data_dir)

    def execute(self, task: BrowserTask, execution: Execution) -> Outcome:
        """Replay `task.path`. Raises nothing: a failure is an Outcome with its error."""
        return self._wait(lambda: self._execute(task, execution, self._replay), execution)

    def plan(self, task: BrowserTask, execution: Execution) -> BrowserTask:
        """Return a copy of `task` whose path opens `start_url` and the same-origin links on it.

        Raises: TaskFailure; Interrupted if a stop or a shutdown came in between.
        """
        planned: list[BrowserTask] = []

        async def work(attempt: Attempt, process: BrowserProcess) -> Outcome:
            outcome, path = await self._plan(attempt, process)
            planned.extend(path)
            return outcome

        outcome = self._wait(lambda: self._execute(task, execution, work), execution)
        if outcome.status == "completed":
            return planned[0]
        if outcome.error is None:
            raise Interrupted("Planning the path was interrupted.")
        raise _planning_failed(outcome.error)

    def _wait(self, make: Callable[[], Coroutine[Any, Any, Outcome]], execution: Execution) -> Outcome:
        try:
            outcome = self._browsers.submit(make).result()
        except (ShuttingDown, concurrent.futures.CancelledError):
            return Outcome(status="interrupted")
        except BgRunnerError as error:
            outcome = Outcome(status="failed", error=ErrorInfo.of(error))
        except Exception:
            log.exception("A browser task failed for a reason of the server's own")
            error_info = ErrorInfo.of(InternalError("The server failed while it ran this task."))
            outcome = Outcome(status="failed", error=error_info)
        # After a shutdown began, what a browser reports is not the task's failure.
        leaving = self._browsers.shutting_down or execution.leave.is_set()
        return Outcome(status="interrupted") if leaving and outcome.status == "failed" else outcome

    # -- In the browser thread: one task, ended from outside or by itself --------------------------------------------

    async def _execute(self, task: BrowserTask, execution: Execution, work: Work) -> Outcome:
        log_bytes = self._settings.terminal_log_bytes
        task_log = TaskLog(execution, self._settings.data_dir, log_bytes)
        attempt = Attempt(task, execution, task_log, Artifacts(execution, task_log))
        ending = _listen(execution, task.timeout)
        working = asyncio.ensure_future(self._with_profile(attempt, work))
        working.add_done_callback(lambda _: task_log.close())
        try:
            ends: set[asyncio.Future[Any]] = {working, ending}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            reason, began = ending.result(), time.monotonic()
            working.cancel()
            if reason != "leave":
                await asyncio.wait({working})
            return attempt.ended_early(reason, began)
        finally:
            working.cancel()
            ending.cancel()

    async def _with_profile(self, attempt: Attempt, work: Work) -> Outcome:
        try:
            if attempt.task.profile is None:
                return await self._in_browser(attempt, work)
            path = self._profiles.path(attempt.execution.session_id, attempt.task.profile)
            async with self._profiles.use(path):
                return await self._in_browser(attempt, work)
        except BgRunnerError as error:
            return attempt.failed(error)

    async def _in_browser(self, attempt: Attempt, work: Work) -> Outcome:
        """Do `work` in a browser; once more if another task's kill of the browser hit it. Raises: BgRunnerError."""
        for again in (True, False):
            async with self._browsers.lease() as process:
                outcome = await self._until_gone(attempt, process, work)
            if outcome is not None:
                return outcome
            hit_by_other = process.killed_by not in (None, attempt.execution.log_id)
            if not (hit_by_other and again):
                break
            attempt.log.line("The browser had to be ended because of another task: this one begins again.")
        return attempt.failed(BrowserCrashed("The browser ended while the step ran."))

    async def _until_gone(self, attempt: Attempt, process: BrowserProcess, work: Work) -> Outcome | None:
        """The outcome of `work`, or None if its browser went away under it."""
        working = asyncio.ensure_future(work(attempt, process))
        gone = asyncio.ensure_future(process.gone.wait())
        try:
            await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return None
            outcome = working.result()
            return None if outcome.status == "failed" and not process.lives() else outcome
        except PlaywrightError:
            await asyncio.wait({gone}, timeout=NEWS_OF_DEATH)
            if not process.lives():
                return None
            raise
        finally:
            gone.cancel()
            working.cancel()
            await asyncio.wait({working})

    # -- A context and what is done in it ----------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _stage(self, attempt: Attempt, process: BrowserProcess) -> AsyncIterator[Stage]:
        """A fresh context with one tab, closed at the end whatever happened."""
        task, execution, limit = attempt.task, attempt.execution, self._settings.max_artifact_bytes
        artifacts = attempt.artifacts
        async with contextlib.AsyncExitStack() as stack:
            options = context_options(task)
            guard = await self._guard(options, stack)
            profile = None
            if task.profile is not None:
                profile = self._profiles.path(execution.session_id, task.profile)
            async with _limit(STAGE_TIMEOUT, process):
                context = await self._context(process, options, profile, attempt)
                stack.push_async_callback(self._close, context, process, attempt)
                watch = attempt.watch = PageWatch(context, attempt.log.line)
                page = await context.new_page()
            yield Stage(
                context=context,
                page=page,
                watch=watch,
                guard=guard,
                secrets=execution.secrets,
                note=attempt.log.line,
                keep_screenshot=artifacts.screenshot,
                keep_download=lambda download, number: artifacts.download(download, limit, number),
                max_download=limit,
                mobile=options["is_mobile"],
                has_touch=options["has_touch"],
            )
            await watch.settle(QUIET_TIMEOUT)
            if profile is not None:
                await self._save_profile(profile, context, attempt)

    async def _guard(self, options: dict[str, Any], stack: contextlib.AsyncExitStack) -> GuardProxy | None:
        if self._settings.block_addresses == "none":
            return None
        guard = GuardProxy(self._settings.block_addresses)
        await guard.start()
        stack.callback(guard.close)
        options["proxy"] = {"server": guard.url, "bypass": guard.bypass}
        return guard

    async def _context(
        self, process: BrowserProcess, options: dict[str, Any], profile: Path | None, attempt: Attempt
    ) -> BrowserContext:
        if profile is None or (state := self._profiles.load(profile)) is None:
            return await process.browser.new_context(**options)
        try:
            return await process.browser.new_context(**options, storage_state=cast(StorageState, state))
        except PlaywrightError as error:
            if not process.lives():
                raise
            attempt.log.line(f"The profile cannot be used and is set aside: {error.message.splitlines()[0]}")
            set_aside(profile)
            return await process.browser.new_context(**options)

    async def _save_profile(self, profile: Path, context: BrowserContext, attempt: Attempt) -> None:
        try:
            await self._profiles.save(profile, context)
        except (PlaywrightError, TimeoutError, BgRunnerError) as error:
            attempt.log.line(f"The profile could not be saved: {error}")

    async def _close(self, context: BrowserContext, process: BrowserProcess, attempt: Attempt) -> None:
        """Close the context; a browser that cannot do so in time is killed (tasks hit by that run again)."""
        if process.gone.is_set():
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await context.close()
        except TimeoutError:
            log.warning("A context does not close: the browser is ended.")
            attempt.killed = tuple(process.kill(attempt.execution.log_id))
            await _until_dead(attempt.killed)
        except PlaywrightError as error:
            log.debug("Closing a context: %s", error)

    async def _replay(self, attempt: Attempt, process: BrowserProcess) -> Outcome:
        task = attempt.task
        if not task.path:
            raise NoPath("The task has no steps.")
        if task.start_url is None and not starts_with_navigate(task.path):
            raise NoPath("The path does not begin with a navigate step and the task has no start_url.")
        async with self._stage(attempt, process) as stage:
            replay = attempt.replay = Replay(stage)
            outcome = await self._told(attempt, stage, self._steps(attempt, replay))
            outcome.values = attempt.masked(stage.values)
        # The network has fallen quiet: now it is known whether the last step led to a blocked address.
        if outcome.status == "completed":
            replay.check_blocked()
        return outcome

    async def _steps(self, attempt: Attempt, replay: Replay) -> None:
        """Run them in order. Raises: BgRunnerError."""
        task, progress = attempt.task, attempt.execution.progress
        if task.start_url is not None and not starts_with_navigate(task.path):
            attempt.log.line(f"Opening {task.start_url}")
            await replay.open(task.start_url)
        for number, step in enumerate(task.path, 1):
            attempt.number, attempt.step = number, step
            text = attempt.log.mask(label(step))
            progress.step(number, len(task.path), text)
            began = time.monotonic()
            await replay.run(number, step)
            attempt.log.line(f"Step {number}/{len(task.path)} {text} ({time.monotonic() - began:.2f} s)")
            if task.screenshots == "each":
                await attempt.screenshot(replay.acting_on, f"step-{number}", "jpeg")
        progress.percent(100.0)

    async def _plan(self, attempt: Attempt, process: BrowserProcess) -> tuple[Outcome, list[BrowserTask]]:
        task = attempt.task
        if task.start_url is None:
            raise NoPath("The task has neither steps nor a start_url to plan them from.")
        attempt.log.line(f"Planning a path from {task.start_url}")
        async with self._stage(attempt, process) as stage:
            replay = attempt.replay = Replay(stage)
            outcome = await self._told(attempt, stage, replay.open(task.start_url))
            if outcome.status != "completed":
                return outcome, []
            links = await stage.page.evaluate(LINKS_SCRIPT)
            chosen = choose_links(stage.page.url, links, self._settings.auto_generate_limit)
        attempt.log.line(f"Planned {len(chosen) + 1} pages")
        return outcome, [task.model_copy(update={"path": plan_path(task.start_url, chosen)})]

    async def _told(self, attempt: Attempt, stage: Stage, work: Coroutine[Any, Any, None]) -> Outcome:
        """Do `work`; its failure, or that of the page under it, told with what the page shows."""
        error = await _until_crash(stage.watch, work)
        if error is None:
            return Outcome(status="completed")
        page = attempt.replay.acting_on if attempt.replay is not None else stage.page
        details = await attempt.report(page) if not stage.watch.crashed.done() else {}
        return attempt.failed(error, details)


@contextlib.asynccontextmanager
async def _limit(seconds: float, process: BrowserProcess) -> AsyncIterator[None]:
    """End a browser that does not get this far in time. Raises: BrowserCrashed."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        process.kill()
        raise BrowserCrashed("The browser does not answer and was ended.") from error


def _planning_failed(info: ErrorInfo) -> TaskFailure:
    """What planning failed of, under the code that it had."""
    error = TaskFailure(info.message, hint=info.hint)
    error.code = info.code  # type: ignore[misc]
    return error


def _listen(execution: Execution, timeout: float | None) -> asyncio.Future[Reason]:
    """A future that is set when something from outside ends the attempt."""
    loop = asyncio.get_running_loop()
    ending: asyncio.Future[Reason] = loop.create_future()

    def end(reason: Reason) -> None:
        if not ending.done():
            ending.set_result(reason)

    def from_thread(reason: Reason) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: nothing is left to end.
            loop.call_soon_threadsafe(end, reason)

    execution.stop.on_set(lambda: from_thread("stop"))
    execution.leave.on_set(lambda: from_thread("leave"))
    if timeout is not None:
        timer = loop.call_later(timeout, end, "timeout")
        ending.add_done_callback(lambda _: timer.cancel())
    return ending


async def _until_dead(pids: tuple[int, ...]) -> None:
    """Wait for what was killed to be gone, within a bound."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DEATH_TIMEOUT):
            while any(is_running(pid) for pid in pids):
                await asyncio.sleep(0.02)


async def _until_crash(watch: PageWatch, work: Coroutine[Any, Any, None]) -> BgRunnerError | None:
    """Do `work`; return its failure, or that the page crashed or went where no task may go."""
    working = asyncio.ensure_future(work)
    try:
        ends: set[asyncio.Future[Any]] = {working, watch.crashed, watch.strayed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if watch.crashed.done():
            return BrowserCrashed(watch.crashed.result())
        if watch.strayed.done():
            return UrlRefused(f"The page went to {watch.strayed.result()[:200]}.")
        working.result()
    except BgRunnerError as error:
        return error
    finally:
        working.cancel()
    return None
