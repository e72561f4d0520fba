"""Replays the steps of a browser task on a page, with the semantics of @puppeteer/replay, the Recorder's own runner.

Where it differs, on purpose: an alternative that is there but cannot be acted on does not win the race; a step waits
for a frame that is still to come; a dialog never blocks a page; keys go to the tab that the step names.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Page
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from bg_runner.errors import (
    AddressBlocked,
    AssertionFailed,
    BgRunnerError,
    NavigationFailed,
    SecretMissing,
    StepFailed,
    StepTimeout,
    UrlRefused,
)
from bg_runner.tasks import steps as s
from bg_runner.tasks.browser_watch import PageWatch
from bg_runner.tasks.guard_proxy import GuardProxy, Refusal
from bg_runner.tasks.replay_elements import (
    Deadline,
    Found,
    Place,
    ask,
    chains,
    describe,
    find_place,
    find_ready,
    script,
)
from bg_runner.tasks.replay_input import PageInput, Press

STEP_TIMEOUT_MS = 5_000
# The reference opens addresses with Puppeteer's own default, not with the step's.
NAVIGATE_TIMEOUT_MS = 30_000
DOWNLOAD_TIMEOUT_MS = 60_000
# A page that hangs cannot answer in time itself: it gets this much (s) beyond the deadline.
GRACE = 0.2
KEY_PAUSE = 0.1
TYPE_AT_MOST = 100
CLOSED = "has been closed"


@dataclass(frozen=True)
class Screen:
    """What the context emulates from its start."""

    mobile: bool = False
    has_touch: bool = False


@dataclass
class Stage:
    """What the steps of one task share. `keep_screenshot` and `keep_download` put files into the task's artifacts."""

    context: BrowserContext
    page: Page
    watch: PageWatch
    guard: GuardProxy | None
    secrets: Mapping[str, str]
    note: Callable[[str], None]
    keep_screenshot: Callable[[Page, str, int], Awaitable[str]]
    keep_download: Callable[[Any, int], Awaitable[str]]
    max_download: int
    screen: Screen = Screen()
    values: dict[str, object] = field(default_factory=dict)


def label(step: s.Step) -> str:
    """The step in a few words, without any value that was typed."""
    kind = f"{step.type} {step.name}" if isinstance(step, s._CustomStep) else step.type  # type: ignore[attr-defined]
    if isinstance(step, s.Navigate):
        return f"{kind} {step.url}"
    if isinstance(step, s.KeyDown | s.KeyUp):
        return f"{kind} {step.key}"
    selectors = selectors_of(step)
    return f"{kind} {describe(selectors)[0]}" if selectors else kind


def selectors_of(step: s.Step) -> list[s.Selector]:
    """What the step looks for; empty if it looks for nothing."""
    holder = step.parameters if isinstance(step, s._CustomStep) else step  # type: ignore[attr-defined]
    return list(getattr(holder, "selectors", None) or [])


def timeout_of(step: s.Step) -> float:
    """The step's time limit (ms)."""
    if step.timeout is not None:
        return step.timeout
    if isinstance(step, s.Navigate):
        return NAVIGATE_TIMEOUT_MS
    return DOWNLOAD_TIMEOUT_MS if isinstance(step, s.DownloadStep) else STEP_TIMEOUT_MS


def check_openable(url: str) -> None:
    """Raises: UrlRefused unless `url` is http(s), or the empty page."""
    parts = urlsplit(url)
    if url != "about:blank" and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise UrlRefused(f"{url[:200]} is not opened.")


class Replay:
    """Runs steps one after the other. `acting_on` is the tab of the step that runs or ran last."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._inputs: dict[Page, PageInput] = {}
        self.acting_on = stage.page

    async def run(self, number: int, step: s.Step) -> None:
        """Run one step. Raises: TaskFailure; a step that ends at its deadline is a StepTimeout."""
        deadline = Deadline.after(timeout_of(step))
        try:
            async with asyncio.timeout_at(deadline.at + GRACE):
                await self._run(number, step, deadline)
        except TimeoutError as error:
            raise StepTimeout(f"The page did not answer within {deadline.timeout_ms:.0f} ms.") from error
        except PlaywrightTimeout as error:
            raise self._refined(StepTimeout(_late(step, deadline))) from error
        except PlaywrightError as error:
            raise self._refined(_translated(error, step)) from error
        except BgRunnerError as error:
            refined = self._refined(error)
            if refined is error:
                raise
            raise refined from error
        self.check_blocked()

    async def open(self, url: str) -> None:
        """Open the task's start_url. Raises: TaskFailure."""
        await self.run(0, s.Navigate(type="navigate", url=url))

    def check_blocked(self) -> None:
        """Raises: AddressBlocked if a tab was to show something from a blocked address."""
        refusal = self._blocked_document()
        if refusal is not None:
            raise AddressBlocked(f"{refusal.reason[:1].upper()}{refusal.reason[1:]}.")

    def _blocked_document(self) -> Refusal | None:
        guard = self._stage.guard
        if guard is None:
            return None
        refusals = (guard.refusal_of(url) for url in self._stage.watch.failed_documents)
        return next((refusal for refusal in refusals if refusal is not None and refusal.blocked), None)

    def _refined(self, error: BgRunnerError) -> BgRunnerError:
        """A failure that came of an address, told as such."""
        if isinstance(error, SecretMissing | UrlRefused):
            return error
        if refusal := self._blocked_document():
            return AddressBlocked(f"{refusal.reason[:1].upper()}{refusal.reason[1:]}.")
        guard = self._stage.guard
        if isinstance(error, NavigationFailed) and guard is not None:
            for url in reversed(self._stage.watch.failed_documents):
                if refusal := guard.refusal_of(url):
                    return NavigationFailed(f"{error.message} ({refusal.reason})")
        return error

    async def _run(self, number: int, step: s.Step, deadline: Deadline) -> None:
        place = await find_place(self._stage.context, self._stage.page, step, deadline)
        self.acting_on = place.page
        try:
            await self._handlers[type(step)](self, number, step, place, deadline)
        except PlaywrightError as error:
            # A click may close the tab that it is made in; then it has done its work.
            ends_tab = isinstance(step, s.Click | s.DoubleClick | s.KeyDown | s.KeyUp)
            if not (ends_tab and place.page.is_closed() and CLOSED in error.message and not step.assertedEvents):
                raise

    @contextlib.asynccontextmanager
    async def _acting(self, step: s.Step, place: Place, deadline: Deadline) -> AsyncIterator[None]:
        """Around the action itself: a navigation that the step asserts is waited for from here on."""
        if not step.assertedEvents:
            yield
            return
        async with place.frame.expect_navigation(wait_until="load", timeout=deadline.left_ms()):
            yield
        self._compare(step, place)

    def _compare(self, step: s.Step, place: Place) -> None:
        """The reference waits for a navigation and does not compare where it led; a difference is worth a line."""
        wanted = [event.url for event in step.assertedEvents or () if event.url]
        if wanted and place.frame.url not in wanted:
            self._stage.note(f"  note: recorded as {wanted[0]}, now at {place.frame.url}")

    async def _input(self, page: Page) -> PageInput:
        if page not in self._inputs:
            screen = self._stage.screen
            self._inputs[page] = await PageInput.of(page, mobile=screen.mobile, has_touch=screen.has_touch)
        return self._inputs[page]

    # -- The steps ---------------------------------------------------------------------------------------------

    async def _navigate(self, number: int, step: s.Navigate, place: Place, deadline: Deadline) -> None:
        check_openable(step.url)
        await place.frame.goto(step.url, wait_until="load", timeout=deadline.left_ms())
        self._compare(step, place)

    async def _set_viewport(self, number: int, step: s.SetViewport, place: Place, deadline: Deadline) -> None:
        async with self._acting(step, place, deadline):
            await (await self._input(place.page)).viewport(step)

    async def _click(self, number: int, step: s.Click | s.DoubleClick, place: Place, deadline: Deadline) -> None:
        pointer = await self._input(place.page)
        found = await find_ready(place.frame, step.selectors, deadline, enabled=True, box=True)
        hold = None if step.duration is None else step.duration / 1000
        press = Press(step.button, step.deviceType, 2 if isinstance(step, s.DoubleClick) else 1, hold)
        async with self._acting(step, place, deadline):
            await pointer.press(*_point(found, step.offsetX, step.offsetY), press)

    async def _hover(self, number: int, step: s.Hover, place: Place, deadline: Deadline) -> None:
        pointer = await self._input(place.page)
        found = await find_ready(place.frame, step.selectors, deadline, enabled=False, box=True)
        async with self._acting(step, place, deadline):
            await pointer.move(*_point(found, None, None))

    async def _change(self, number: int, step: s.Change, place: Place, deadline: Deadline) -> None:
        value = self._value(step)
        found = await find_ready(place.frame, step.selectors, deadline, enabled=True, fill=True)
        async with self._acting(step, place, deadline):
            request = {"kind": found.kind, "value": value, "typeAtMost": TYPE_AT_MOST}
            rest = await found.element.evaluate(script("replay_fill.js"), request)
            if rest is None:
                return
            if found.kind == "toggle":
                await self._click_element(place, step, deadline)
            else:
                await place.page.keyboard.type(rest)

    def _value(self, step: s.Change) -> str:
        if isinstance(step.value, str):
            return step.value
        try:
            return self._stage.secrets[step.value.secret]
        except KeyError:
            raise SecretMissing(f"The secret {step.value.secret} is not set in this workspace.") from None

    async def _click_element(self, place: Place, step: s.Change | s.DownloadStep, deadline: Deadline) -> None:
        found = await find_ready(place.frame, selectors_of(step), deadline, enabled=True, box=True)
        await (await self._input(place.page)).press(*_point(found, None, None), Press())

    async def _key(self, number: int, step: s.KeyDown | s.KeyUp, place: Place, deadline: Deadline) -> None:
        pointer = await self._input(place.page)
        async with self._acting(step, place, deadline):
            if isinstance(step, s.KeyDown):
                pointer.key_down(step.key)
                await place.page.keyboard.down(step.key)
            else:
                pointer.key_up(step.key)
                await place.page.keyboard.up(step.key)
            # As in the reference: what a key sets off (a form sent, a field left) begins before the next step.
            await asyncio.sleep(KEY_PAUSE)

    async def _scroll(self, number: int, step: s.Scroll, place: Place, deadline: Deadline) -> None:
        where = [step.x or 0, step.y or 0]
        if step.selectors:
            found = await find_ready(place.frame, step.selectors, deadline, enabled=False)
            async with self._acting(step, place, deadline):
                to = "(element, [x, y]) => { element.scrollTop = y; element.scrollLeft = x; }"
                await found.element.evaluate(to, where)
        else:
            async with self._acting(step, place, deadline):
                await place.frame.evaluate("([x, y]) => window.scroll(x, y)", where)

    async def _wait_for_element(self, number: int, step: s.WaitForElement, place: Place, deadline: Deadline) -> None:
        request = {
            "op": "waitForElement",
            "alternatives": chains(step.selectors),
            "operator": step.operator or ">=",
            "count": 1 if step.count is None else step.count,
            "visible": step.visible is not False,
            "properties": step.properties,
            "attributes": step.attributes,
        }
        async with self._acting(step, place, deadline):
            answer = await ask(place.frame, request, deadline)
            if not answer["ok"]:
                raise _not_seen(step, request, answer, deadline)

    async def _wait_for_expression(
        self, number: int, step: s.WaitForExpression, place: Place, deadline: Deadline
    ) -> None:
        async with self._acting(step, place, deadline):
            expression = f"() => {{ return (\n{step.expression}\n); }}"
            await place.frame.wait_for_function(expression, timeout=deadline.left_ms())

    async def _close(self, number: int, step: s.Close, place: Place, deadline: Deadline) -> None:
        await place.page.close()

    async def _emulate_network(
        self, number: int, step: s.EmulateNetworkConditions, place: Place, deadline: Deadline
    ) -> None:
        async with self._acting(step, place, deadline):
            await (await self._input(place.page)).network(step)

    # -- Our own steps -----------------------------------------------------------------------------------------

    async def _screenshot(self, number: int, step: s.ScreenshotStep, place: Place, deadline: Deadline) -> None:
        await self._stage.keep_screenshot(place.page, step.parameters.name, number)

    async def _extract(self, number: int, step: s.ExtractStep, place: Place, deadline: Deadline) -> None:
        wanted = step.parameters
        request = {"op": "read", "alternatives": chains(wanted.selectors), "attribute": wanted.attribute}
        answer = await ask(place.frame, request, deadline)
        _check_read(answer, step, deadline)
        self._stage.values[wanted.name] = answer["value"]

    async def _assert_text(self, number: int, step: s.AssertTextStep, place: Place, deadline: Deadline) -> None:
        wanted = step.parameters
        request = {"op": "read", "alternatives": chains(wanted.selectors), "text": wanted.text}
        answer = await ask(place.frame, request, deadline)
        if not answer["ok"] and answer.get("matched"):
            shown = str(answer["value"])[:300]
            raise AssertionFailed(f"Expected the text {wanted.text[:300]!r}, the page shows {shown!r}.")
        _check_read(answer, step, deadline)

    async def _download(self, number: int, step: s.DownloadStep, place: Place, deadline: Deadline) -> None:
        watch, limit = self._stage.watch, self._stage.max_download
        loop = asyncio.get_running_loop()
        too_much: asyncio.Future[bool] = loop.create_future()
        watch.wanted_download = loop.create_future()

        def progress(event: dict[str, Any]) -> None:
            if event.get("receivedBytes", 0) > limit and not too_much.done():
                too_much.set_result(True)

        session = (await self._input(place.page)).session
        session.on("Page.downloadProgress", progress)
        try:
            await session.send("Page.enable")
            await self._click_element(place, step, deadline)
            download = await watch.wanted_download
            keeping = asyncio.ensure_future(self._stage.keep_download(download, number))
            await asyncio.wait([keeping, too_much], return_when=asyncio.FIRST_COMPLETED)
            if not keeping.done():
                keeping.cancel()
                await download.cancel()
                raise StepFailed(
                    f"The download is larger than {limit} bytes.",
                    hint="Raise BG_RUNNER_MAX_ARTIFACT_BYTES to keep such files.",
                )
            self._stage.note(f"  kept {await keeping}")
        finally:
            watch.wanted_download = None
            session.remove_listener("Page.downloadProgress", progress)

    _handlers: ClassVar[dict[type[s.BaseStep], Callable[..., Awaitable[None]]]] = {
        s.Navigate: _navigate,
        s.SetViewport: _set_viewport,
        s.Click: _click,
        s.DoubleClick: _click,
        s.Hover: _hover,
        s.Change: _change,
        s.KeyDown: _key,
        s.KeyUp: _key,
        s.Scroll: _scroll,
        s.WaitForElement: _wait_for_element,
        s.WaitForExpression: _wait_for_expression,
        s.Close: _close,
        s.EmulateNetworkConditions: _emulate_network,
        s.ScreenshotStep: _screenshot,
        s.ExtractStep: _extract,
        s.AssertTextStep: _assert_text,
        s.DownloadStep: _download,
    }


def _point(found: Found, offset_x: float | None, offset_y: float | None) -> tuple[float, float]:
    """Where to press: at the recorded offset from the box's corner, else in its middle."""
    assert found.point is not None and found.size is not None, "asked for with box=True"
    (x, y), (width, height) = found.point, found.size
    return x + (width / 2 if offset_x is None else offset_x), y + (height / 2 if offset_y is None else offset_y)


def _not_seen(
    step: s.WaitForElement, request: dict[str, Any], answer: dict[str, Any], deadline: Deadline
) -> BgRunnerError:
    if answer.get("invalid"):
        return StepFailed(f"No selector is valid: {'; '.join(answer['invalid'])}", hint="Correct the step's selectors.")
    wanted = f"{request['operator']} {request['count']}"
    if not request["visible"]:
        wanted = f"not {wanted}"
    more = json.dumps({"attributes": step.attributes, "properties": step.properties}, ensure_ascii=False)
    more = f" with {more}" if step.attributes or step.properties else ""
    return AssertionFailed(
        f"Waited {deadline.timeout_ms:.0f} ms for {wanted} of {', '.join(describe(step.selectors))}{more}; "
        f"the page has {answer['count']}."
    )


def _check_read(answer: dict[str, Any], step: s.Step, deadline: Deadline) -> None:
    if answer["ok"]:
        return
    tried = ", ".join(describe(selectors_of(step)))
    if answer.get("invalid"):
        raise StepFailed(f"No selector is valid: {'; '.join(answer['invalid'])}", hint="Correct the step's selectors.")
    from bg_runner.errors import ElementNotFound

    raise ElementNotFound(f"No element within {deadline.timeout_ms:.0f} ms: {tried}")


def _late(step: s.Step, deadline: Deadline) -> str:
    limit = f"{deadline.timeout_ms:.0f} ms"
    if isinstance(step, s.Navigate):
        return f"{step.url} did not load within {limit}."
    if isinstance(step, s.WaitForExpression):
        return f"The expression did not become true within {limit}: {step.expression[:200]}"
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
