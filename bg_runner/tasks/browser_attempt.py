"""One go at a browser task, and how its end is told: failures with their step, stops with a receipt."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any, Literal

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from bg_runner.errors import BgRunnerError, TaskTimeout
from bg_runner.tasks.browser_log import Artifacts, TaskLog
from bg_runner.tasks.browser_watch import PageWatch
from bg_runner.tasks.browsers import is_running
from bg_runner.tasks.execution import ErrorInfo, Execution, Outcome, Receipt
from bg_runner.tasks.models import BrowserTask, Viewport
from bg_runner.tasks.replay import Replay
from bg_runner.tasks.steps import SetViewport, Step, describe, label, selectors_of

Reason = Literal["stop", "leave", "timeout"]
REPORT_TIMEOUT = 2.0


@dataclass
class Attempt:
    """What one go at a task needs, and what its end is told from. Lives in the browser thread.

    `number` and `step` are the step that runs (0 and None before the first); `killed` the pids of a browser that had
    to be ended because this attempt's context did not close.
    """

    task: BrowserTask
    execution: Execution
    log: TaskLog
    artifacts: Artifacts
    replay: Replay | None = None
    watch: PageWatch | None = None
    number: int = 0
    step: Step | None = None
    killed: tuple[int, ...] = ()

    async def screenshot(self, page: Page, name: str, kind: Literal["png", "jpeg"]) -> str | None:
        """Take one if that is possible; a picture that fails is no reason to fail the task."""
        if page.is_closed():
            return None
        try:
            return await self.artifacts.screenshot(page, name, self.number or None, kind)
        except (PlaywrightError, OSError) as error:
            self.log.line(f"  no screenshot: {str(error).splitlines()[0]}")
            return None

    async def report(self, page: Page) -> dict[str, object]:
        """What the page shows at the moment of a failure: its url, title, a screenshot. Bounded in time."""
        details: dict[str, object] = {"url": self.log.mask(page.url)}

        async def ask_title() -> None:
            with contextlib.suppress(PlaywrightError):
                details["title"] = self.log.mask(await page.title())

        async def shoot() -> None:
            name = f"failed-step-{self.number}" if self.number else "failed-start"
            if self.task.screenshots != "off" and (taken := await self.screenshot(page, name, "png")):
                details["screenshot"] = taken

        if not page.is_closed():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_TIMEOUT):
                    await asyncio.gather(ask_title(), shoot())
        return details

    def failed(self, error: BgRunnerError, details: dict[str, object] | None = None) -> Outcome:
        """The outcome of a failure, told with the step that it came in; no secret's value is in it."""
        info = ErrorInfo.of(error, **(details or {}))
        info.message = self.log.mask(info.message)
        if self.step is not None:
            info.details["step"] = self.number
            info.details["label"] = self.log.mask(label(self.step))
            if selectors := selectors_of(self.step):
                info.details["selectors"] = describe(selectors)
        if self.watch is not None and self.watch.console:
            info.details["console"] = [self.log.mask_typed(line) for line in self.watch.console]
        where = f"Step {self.number}" if self.number else "The task"
        self.log.line(f"{where} failed: {info.code}: {info.message}")
        return Outcome(status="failed", error=info)

    def ended_early(self, reason: Reason, began: float) -> Outcome:
        """The outcome of an end from outside; `began` is when it was asked for (s, monotonic)."""
        if reason == "timeout":
            return self.failed(TaskTimeout(f"The task did not end within {self.task.timeout or 0:g} s."))
        if reason == "leave":
            return Outcome(status="interrupted")
        self.log.line("Stopped.")
        survivors = [pid for pid in self.killed if is_running(pid)]
        ended = [pid for pid in self.killed if pid not in survivors]
        receipt = Receipt(ended=ended, seconds=round(time.monotonic() - began, 3), survivors=survivors)
        return Outcome(status="stopped", receipt=receipt)

    def masked(self, values: dict[str, object]) -> dict[str, object]:
        """Extracted values without any secret in them."""
        return {name: self.log.mask(value) if isinstance(value, str) else value for name, value in values.items()}


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
