"""Replays the steps of a browser task on a page, with the semantics of @puppeteer/replay, the Recorder's own runner.

Where it differs, on purpose: an alternative that is there but cannot be acted on does not win the race; a step waits
for a frame that is still to come; a dialog never blocks a page; keys go to the tab that the step names.
"""

from __future__ import annotations

import asyncio

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from bg_runner.errors import AddressBlocked, BgRunnerError, NavigationFailed, StepFailed, StepTimeout
from bg_runner.tasks import replay_custom, replay_steps
from bg_runner.tasks import steps as s
from bg_runner.tasks.guard_proxy import Refusal
from bg_runner.tasks.replay_elements import Deadline, find_place
from bg_runner.tasks.replay_stage import Moment, Stage

STEP_TIMEOUT_MS = 5_000
# The reference opens addresses with Puppeteer's own default, not with the step's.
NAVIGATE_TIMEOUT_MS = 30_000
DOWNLOAD_TIMEOUT_MS = 60_000
# A page that hangs cannot answer in time itself: it gets this much (s) beyond the deadline.
GRACE = 0.5
CLOSED = "has been closed"
HANDLERS = {**replay_steps.HANDLERS, **replay_custom.HANDLERS}


def timeout_of(step: s.Step) -> float:
    """The step's time limit (ms)."""
    if step.timeout is not None:
        return step.timeout
    if isinstance(step, s.Navigate):
        return NAVIGATE_TIMEOUT_MS
    return DOWNLOAD_TIMEOUT_MS if isinstance(step, s.DownloadStep) else STEP_TIMEOUT_MS


class Replay:
    """Runs steps one after the other. `acting_on` is the tab of the step that runs or ran last."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.acting_on = stage.page

    async def run(self, number: int, step: s.Step) -> None:
        """Run one step. Raises: TaskFailure; UrlRefused; a step that ends at its deadline is a StepTimeout."""
        deadline = Deadline.after(timeout_of(step))
        try:
            async with asyncio.timeout_at(deadline.at + GRACE):
                await self._run(number, step, deadline)
        except TimeoutError as error:
            failure = StepTimeout(f"The page did not answer within {deadline.timeout_ms:.0f} ms.")
            raise self._refined(failure) from error
        except PlaywrightTimeout as error:
            raise self._refined(StepTimeout(_late(step, deadline))) from error
        except PlaywrightError as error:
            raise self._refined(_translated(error, step)) from error
        except StepFailed as error:
            raise self._refined(error) from error.__cause__
        self.check_blocked()

    async def open(self, url: str) -> None:
        """Open the task's start_url. Raises: TaskFailure, UrlRefused."""
        await self.run(0, s.Navigate(type="navigate", url=url))

    def check_blocked(self) -> None:
        """Raises: AddressBlocked if a tab was to show something from a blocked address."""
        refusal = self._refusal()
        if refusal is not None and refusal.blocked:
            raise _blocked(refusal)

    def _refined(self, error: BgRunnerError) -> BgRunnerError:
        """The failure, told as what it came of if that was an address."""
        refusal = self._refusal()
        if refusal is not None and refusal.blocked:
            return _blocked(refusal)
        if refusal is not None and isinstance(error, NavigationFailed):
            return NavigationFailed(f"{error.message} ({refusal.reason})")
        return error

    def _refusal(self) -> Refusal | None:
        """Why the last document that failed to come was refused, if it was."""
        guard = self._stage.guard
        if guard is None:
            return None
        refusals = (guard.refusal_of(url) for url in reversed(self._stage.watch.failed_documents))
        return next((refusal for refusal in refusals if refusal is not None), None)

    async def _run(self, number: int, step: s.Step, deadline: Deadline) -> None:
        place = await find_place(self._stage.context, self._stage.page, step, deadline)
        self.acting_on = place.page
        try:
            await HANDLERS[type(step)](self._stage, step, Moment(number, place, deadline))
        except PlaywrightError as error:
            # A click may close the tab that it is made in; then it has done its work.
            may_close = isinstance(step, s.Click | s.DoubleClick | s.KeyDown | s.KeyUp) and not step.assertedEvents
            if not (may_close and place.page.is_closed() and CLOSED in error.message):
                raise


def _blocked(refusal: Refusal) -> AddressBlocked:
    return AddressBlocked(f"Refused: {refusal.reason}.")


def _late(step: s.Step, deadline: Deadline) -> str:
    limit = f"{deadline.timeout_ms:.0f} ms"
    if isinstance(step, s.Navigate):
        return f"{step.url} did not load within {limit}."
    if step.assertedEvents:
        return f"The step should have opened a page ({step.assertedEvents[0].url or 'any'}), but none came in {limit}."
    return f"The step did not end within {limit}."


def _translated(error: PlaywrightError, step: s.Step) -> BgRunnerError:
    message = error.message.splitlines()[0].split(": ", 1)[-1]
    if isinstance(step, s.Navigate) or "net::" in message:
        return NavigationFailed(f"The page could not be opened: {message}")
    if CLOSED in error.message:
        return StepFailed("The tab of this step was closed while it ran.")
    return StepFailed(f"The browser refused the step: {message}")
