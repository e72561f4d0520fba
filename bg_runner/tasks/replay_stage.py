"""What the steps of one task share: the context and its tabs, and what a step needs while it acts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from playwright.async_api import BrowserContext, Download, Page

from bg_runner.tasks.browser_watch import PageWatch
from bg_runner.tasks.guard_proxy import GuardProxy
from bg_runner.tasks.replay_elements import Deadline, Place
from bg_runner.tasks.replay_input import PageInput
from bg_runner.tasks.steps import BaseStep


@dataclass(frozen=True)
class Moment:
    """One step as it runs: its number (1-based), where it acts and when it must have ended."""

    number: int
    place: Place
    deadline: Deadline


@dataclass
class Stage:
    """The stage that all steps of a task act on. `page` is the main tab; `values` collects what they extract.

    `keep_screenshot(page, name, number)` and `keep_download(download, number)` put files into the task's artifacts and
    return their names; a download has at most `max_download` bytes. `mobile` and `has_touch` say what the context
    emulates from its start.
    """

    context: BrowserContext
    page: Page
    watch: PageWatch
    guard: GuardProxy | None
    secrets: Mapping[str, str]
    note: Callable[[str], None]
    keep_screenshot: Callable[[Page, str, int], Awaitable[str]]
    keep_download: Callable[[Download, int], Awaitable[str]]
    max_download: int
    mobile: bool = False
    has_touch: bool = False
    values: dict[str, object] = field(default_factory=dict)
    _inputs: dict[Page, PageInput] = field(default_factory=dict)

    async def input(self, page: Page) -> PageInput:
        """The pointer of a tab. Raises: PlaywrightError."""
        if page not in self._inputs:
            self._inputs[page] = await PageInput.of(page, mobile=self.mobile, has_touch=self.has_touch)
        return self._inputs[page]

    @contextlib.asynccontextmanager
    async def acting(self, step: BaseStep, at: Moment) -> AsyncIterator[None]:
        """Around the action itself: a navigation that the step asserts is waited for from here on."""
        if not step.assertedEvents:
            yield
            return
        async with at.place.frame.expect_navigation(wait_until="load", timeout=at.deadline.left_ms()):
            yield
        self.compare(step, at)

    def compare(self, step: BaseStep, at: Moment) -> None:
        """The reference waits for a navigation and does not compare where it led; a difference is worth a line."""
        wanted = [event.url for event in step.assertedEvents or () if event.url]
        if wanted and at.place.frame.url not in wanted:
            self.note(f"  note: recorded as {wanted[0]}, now at {at.place.frame.url}")
