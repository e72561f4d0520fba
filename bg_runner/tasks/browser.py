"""Executes a browser task: a fresh context of the shared browser, its steps replayed, what came of it told."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import psutil
from playwright.async_api import BrowserContext, Page
from playwright.async_api import Error as PlaywrightError

from bg_runner.errors import (
    BgRunnerError,
    BrowserCrashed,
    Interrupted,
    InternalError,
    NoPath,
    ShuttingDown,
    TaskTimeout,
    UrlRefused,
)
from bg_runner.settings import Settings
from bg_runner.tasks.browser_log import Artifacts, TaskLog
from bg_runner.tasks.browser_watch import PageWatch
from bg_runner.tasks.browsers import BrowserProcess, Browsers
from bg_runner.tasks.execution import ErrorInfo, Execution, Outcome, Receipt
from bg_runner.tasks.guard_proxy import GuardProxy
from bg_runner.tasks.models import BrowserTask, Viewport
from bg_runner.tasks.planner import LINKS_SCRIPT, choose_links, plan_path
from bg_runner.tasks.profiles import Profiles
from bg_runner.tasks.replay import Replay, Screen, Stage, label, selectors_of
from bg_runner.tasks.replay_elements import describe
from bg_runner.tasks.steps import Navigate, SetViewport, Step

log = logging.getLogger(__name__)
T = TypeVar("T")
Reason = Literal["stop", "leave", "timeout"]
QUIET_TIMEOUT = 2.0
CLOSE_TIMEOUT = 5.0
REPORT_TIMEOUT = 2.0
# A call may fail a moment before the news that its browser died.
NEWS_OF_DEATH = 1.0


@dataclass
class _Attempt:
    """One go at a task: what it needs, and what its end is told from. Lives in the browser thread."""

    task: BrowserTask
    execution: Execution
    log: TaskLog
    artifacts: Artifacts
    replay: Replay | None = None
    watch: PageWatch | None = None
    number: int = 0
    step: Step | None = None
    killed: tuple[int, ...] = ()


class BrowserTaskExecutor:
    """Implements `execution.BrowserExecutor`. Its methods block the calling thread and are safe from any."""

    def __init__(self, settings: Settings, browsers: Browsers) -> None:
        self._settings = settings
        self._browsers = browsers
        self._profiles = Profiles(settings.data_dir)

    def execute(self, task: BrowserTask, execution: Execution) -> Outcome:
        """Replay `task.path`. Raises nothing: a failure is an Outcome with its error."""
        return self._wait(lambda: self._execute(task, execution), execution)

    def plan(self, task: BrowserTask, execution: Execution) -> BrowserTask:
        """Return a copy of `task` whose path opens `start_url` and the same-origin links on it.

        Raises: TaskFailure; Interrupted if a stop or a shutdown came in between.
        """
        planned: list[BrowserTask] = []

        async def work(attempt: _Attempt, process: BrowserProcess) -> Outcome:
            planned.append(await self._plan(attempt, process))
            return Outcome(status="completed")

        outcome = self._wait(lambda: self._execute(task, execution, work), execution)
        if planned and outcome.status == "completed":
            return planned[0]
        error = Interrupted("Planning the path was interrupted.")
        if outcome.error is not None:
            error = _PlanFailed(outcome.error)
        raise error

    def _wait(self, make: Callable[[], Coroutine[Any, Any, Outcome]], execution: Execution) -> Outcome:
        try:
            return self._browsers.submit(make).result()
        except (ShuttingDown, concurrent.futures.CancelledError):
            return Outcome(status="interrupted")
        except BgRunnerError as error:
            return self._ended(Outcome(status="failed", error=ErrorInfo.of(error)), execution)
        except Exception:
            log.exception("A browser task failed for a reason of the server's own")
            error = InternalError("The server failed while it ran this task.")
            return self._ended(Outcome(status="failed", error=ErrorInfo.of(error)), execution)

    def _ended(self, outcome: Outcome, execution: Execution) -> Outcome:
        """After a shutdown began, what a browser reports is not the task's failure."""
        leaving = self._browsers.shutting_down or execution.leave.is_set()
        if leaving and outcome.status == "failed":
            return Outcome(status="interrupted", values=outcome.values)
        return outcome

    # -- In the browser thread: one task, ended from outside or by itself --------------------------------------------

    async def _execute(
        self,
        task: BrowserTask,
        execution: Execution,
        work: Callable[[_Attempt, BrowserProcess], Awaitable[Outcome]] | None = None,
    ) -> Outcome:
        began = time.monotonic()
        task_log = TaskLog(execution, self._settings.data_dir, self._settings.terminal_log_bytes)
        attempt = _Attempt(task, execution, task_log, Artifacts(execution, task_log))
        ending = _listen(execution, task.timeout)
        working = asyncio.ensure_future(self._with_profile(attempt, work or self._replay))
        try:
            await asyncio.wait([working, ending], return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return self._ended(working.result(), execution)
            working.cancel()
            if ending.result() == "leave":
                return Outcome(status="interrupted")
            await asyncio.wait([working])
            return self._ended(_ended_early(ending.result(), attempt, began), execution)
        finally:
            working.cancel()
            ending.cancel()
            working.add_done_callback(lambda _: task_log.close())

    async def _with_profile(
        self, attempt: _Attempt, work: Callable[[_Attempt, BrowserProcess], Awaitable[Outcome]]
    ) -> Outcome:
        if attempt.task.profile is None:
            return await self._in_browser(attempt, work)
        path = self._profiles.path(attempt.execution.session_id, attempt.task.profile)
        async with self._profiles.use(path):
            return await self._in_browser(attempt, work)

    async def _in_browser(
        self, attempt: _Attempt, work: Callable[[_Attempt, BrowserProcess], Awaitable[Outcome]]
    ) -> Outcome:
        """Do `work` in a browser; once more if another task's kill of the browser hit it."""
        for again in (True, False):
            async with self._browsers.lease() as process:
                outcome = await self._until_gone(attempt, process, work)
            hit_by_other = process.gone.is_set() and process.killed_by not in (None, attempt.execution.log_id)
            if outcome is not None and not (hit_by_other and outcome.status == "failed"):
                return outcome
            if not (hit_by_other and again):
                break
            attempt.log.line("The browser had to be ended because of another task: this one begins again.")
        return _failed(attempt, BrowserCrashed("The browser ended while the step ran."))

    async def _until_gone(
        self,
        attempt: _Attempt,
        process: BrowserProcess,
        work: Callable[[_Attempt, BrowserProcess], Awaitable[Outcome]],
    ) -> Outcome | None:
        """The outcome of `work`, or None if its browser went away."""
        working = asyncio.ensure_future(work(attempt, process))
        gone = asyncio.ensure_future(process.gone.wait())
        try:
            await asyncio.wait([working, gone], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return None
            outcome = working.result()
            if outcome.status == "failed" and not process.browser.is_connected():
                return None
            return outcome
        except PlaywrightError:
            await asyncio.wait([gone], timeout=NEWS_OF_DEATH)
            if process.gone.is_set():
                return None
            raise
        finally:
            gone.cancel()
            working.cancel()
            await asyncio.wait([working])

    # -- A context and what is done in it ----------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _stage(self, attempt: _Attempt, process: BrowserProcess) -> AsyncIterator[Stage]:
        """A fresh context with one tab, closed at the end whatever happened."""
        task, execution = attempt.task, attempt.execution
        async with contextlib.AsyncExitStack() as stack:
            guard = None
            options = context_options(task)
            if self._settings.block_addresses != "none":
                guard = GuardProxy(self._settings.block_addresses)
                await guard.start()
                stack.callback(guard.close)
                options["proxy"] = {"server": guard.url, "bypass": guard.bypass}
            profile = None
            if task.profile is not None:
                profile = self._profiles.path(execution.session_id, task.profile)
                options["storage_state"] = self._profiles.load(profile)
            context = await process.browser.new_context(**options)
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
                keep_screenshot=attempt.artifacts.screenshot,
                keep_download=lambda download, number: attempt.artifacts.download(
                    download, self._settings.max_artifact_bytes, number
                ),
                max_download=self._settings.max_artifact_bytes,
                screen=Screen(options["is_mobile"], options["has_touch"]),
            )
            await watch.settle(QUIET_TIMEOUT)
            if profile is not None:
                await self._save_profile(profile, context, attempt)

    async def _save_profile(self, profile: Any, context: BrowserContext, attempt: _Attempt) -> None:
        try:
            await self._profiles.save(profile, context)
        except (PlaywrightError, TimeoutError, BgRunnerError) as error:
            attempt.log.line(f"The profile could not be saved: {error}")

    async def _close(self, context: BrowserContext, process: BrowserProcess, attempt: _Attempt) -> None:
        """Close the context; a browser that cannot do so in time is killed (tasks hit by that run again)."""
        if process.gone.is_set():
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await context.close()
        except TimeoutError:
            log.warning("A context does not close: the browser is ended.")
            attempt.killed = tuple(process.kill(attempt.execution.log_id))
        except PlaywrightError as error:
            log.debug("Closing a context: %s", error)

    async def _replay(self, attempt: _Attempt, process: BrowserProcess) -> Outcome:
        task = attempt.task
        if not task.path:
            raise NoPath("The task has no steps.")
        opens_itself = starts_with_navigate(task.path)
        if not opens_itself and task.start_url is None:
            raise NoPath("The path does not begin with a navigate step and the task has no start_url.")
        async with self._stage(attempt, process) as stage:
            replay = attempt.replay = Replay(stage)
            error = await _until_crash(stage.watch, self._steps(attempt, replay, opens_itself=opens_itself))
            outcome = Outcome(status="completed")
            if error is not None:
                details = await self._report(attempt, stage)
                outcome = _failed(attempt, error, **details)
        if outcome.status == "completed":
            try:
                replay.check_blocked()
            except BgRunnerError as blocked:
                outcome = _failed(attempt, blocked)
        outcome.values = {name: _masked(value, attempt.log) for name, value in stage.values.items()}
        return outcome

    async def _steps(self, attempt: _Attempt, replay: Replay, *, opens_itself: bool) -> None:
        """Run them in order. Raises: BgRunnerError."""
        task, progress = attempt.task, attempt.execution.progress
        if not opens_itself and task.start_url is not None:
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
                await _screenshot(attempt, replay.acting_on, f"step-{number}", "jpeg")
        progress.percent(100.0)

    async def _report(self, attempt: _Attempt, stage: Stage) -> dict[str, object]:
        """What the page shows at the moment of the failure."""
        page = attempt.replay.acting_on if attempt.replay is not None else stage.page
        details: dict[str, object] = {"url": attempt.log.mask(page.url)}

        async def ask_title() -> None:
            with contextlib.suppress(PlaywrightError):
                details["title"] = attempt.log.mask(await page.title())

        async def shoot() -> None:
            name = f"failed-step-{attempt.number}" if attempt.number else "failed-start"
            if attempt.task.screenshots != "off" and (taken := await _screenshot(attempt, page, name, "png")):
                details["screenshot"] = taken

        if not page.is_closed() and not stage.watch.crashed.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_TIMEOUT):
                    await asyncio.gather(ask_title(), shoot())
        return details

    async def _plan(self, attempt: _Attempt, process: BrowserProcess) -> BrowserTask:
        task = attempt.task
        if task.start_url is None:
            raise NoPath("The task has neither steps nor a start_url to plan them from.")
        attempt.log.line(f"Planning a path from {task.start_url}")
        async with self._stage(attempt, process) as stage:
            replay = attempt.replay = Replay(stage)
            error = await _until_crash(stage.watch, replay.open(task.start_url))
            if error is not None:
                raise error
            links = await stage.page.evaluate(LINKS_SCRIPT)
            chosen = choose_links(stage.page.url, links, self._settings.auto_generate_limit)
        attempt.log.line(f"Planned {len(chosen) + 1} pages")
        return task.model_copy(update={"path": plan_path(task.start_url, chosen)})


class _PlanFailed(Interrupted):
    """What planning failed of, under the code that it had."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info.message, hint=info.hint)
        self.code = info.code  # type: ignore[misc]


def starts_with_navigate(path: list[Step]) -> bool:
    """Whether the path opens its first page itself; sizes of the window may come before that."""
    for step in path:
        if not isinstance(step, SetViewport):
            return isinstance(step, Navigate)
    return False


def context_options(task: BrowserTask) -> dict[str, Any]:
    """How the context is made: a setViewport that the path begins with is taken on from the start."""
    viewport = task.viewport or Viewport()
    options: dict[str, Any] = {
        "viewport": {"width": viewport.width, "height": viewport.height},
        "is_mobile": False,
        "has_touch": False,
        "accept_downloads": True,
    }
    first = task.path[0] if task.path else None
    if isinstance(first, SetViewport):
        options |= {
            "viewport": {"width": first.width, "height": first.height},
            "device_scale_factor": first.deviceScaleFactor,
            "is_mobile": first.isMobile,
            "has_touch": first.hasTouch,
        }
    return options


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


def _ended_early(reason: Reason, attempt: _Attempt, began: float) -> Outcome:
    if reason == "timeout":
        return _failed(attempt, TaskTimeout(f"The task did not end within {attempt.task.timeout:g} s."))
    attempt.log.line("Stopped.")
    survivors = [pid for pid in attempt.killed if _lives(pid)]
    ended = [pid for pid in attempt.killed if pid not in survivors]
    receipt = Receipt(ended=ended, seconds=round(time.monotonic() - began, 3), survivors=survivors)
    return Outcome(status="stopped", receipt=receipt)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


async def _until_crash(watch: PageWatch, work: Coroutine[Any, Any, None]) -> BgRunnerError | None:
    """Do `work`; return its failure, or that the page crashed or went where no task may go."""
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait([working, watch.crashed, watch.strayed], return_when=asyncio.FIRST_COMPLETED)
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


async def _screenshot(attempt: _Attempt, page: Page, name: str, kind: Literal["png", "jpeg"]) -> str | None:
    """Take one if that is possible; a picture that fails is no reason to fail the task."""
    if page.is_closed():
        return None
    try:
        return await attempt.artifacts.screenshot(page, name, attempt.number or None, kind)
    except (PlaywrightError, OSError) as error:
        attempt.log.line(f"  no screenshot: {str(error).splitlines()[0]}")
        return None


def _failed(attempt: _Attempt, error: BgRunnerError, **details: object) -> Outcome:
    """The outcome of a failure, told with the step that it came in; no secret's value is in it."""
    info = ErrorInfo.of(error, **details)
    info.message = attempt.log.mask(info.message)
    if attempt.step is not None:
        info.details["step"] = attempt.number
        info.details["label"] = attempt.log.mask(label(attempt.step))
        if selectors := selectors_of(attempt.step):
            info.details["selectors"] = describe(selectors)
    if attempt.watch is not None and attempt.watch.console:
        info.details["console"] = [attempt.log.mask(line) for line in attempt.watch.console]
    where = f"Step {attempt.number}" if attempt.number else "The task"
    attempt.log.line(f"{where} failed: {info.code}: {info.message}")
    return Outcome(status="failed", error=info)


def _masked(value: object, task_log: TaskLog) -> object:
    return task_log.mask(value) if isinstance(value, str) else value
