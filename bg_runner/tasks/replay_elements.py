"""Finding a step's page, frame and elements, the way the Recorder's own runner does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from playwright.async_api import BrowserContext, ElementHandle, Frame, Page
from playwright.async_api import Error as PlaywrightError

from bg_runner.errors import ElementNotFound, StepFailed, StepTimeout
from bg_runner.tasks.steps import BaseStep, Selector, describe

# The page answers this much (ms) before the step's deadline, so that the answer names the reason.
MARGIN_MS = 100
POLL = 0.05
GONE_AGAIN = ("Execution context was destroyed", "Cannot find context", "navigat", "Frame was detached")


@cache
def script(name: str) -> str:
    """The source of a script that runs in the page."""
    text = files("bg_runner.tasks").joinpath(name).read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("//"))


@dataclass(frozen=True)
class Deadline:
    """When a step must have ended, on the event loop's clock (s)."""

    at: float
    timeout_ms: float

    @classmethod
    def after(cls, timeout_ms: float) -> Deadline:
        return cls(asyncio.get_running_loop().time() + timeout_ms / 1000, timeout_ms)

    def left_ms(self) -> float:
        return max((self.at - asyncio.get_running_loop().time()) * 1000, 1.0)


@dataclass(frozen=True)
class Place:
    """Where a step acts: a page, and the frame in it."""

    page: Page
    frame: Frame


@dataclass(frozen=True)
class Found:
    """An element that is ready, what `change` would do to it, and its first box in the page: x, y, width, height in
    CSS pixels (zeros unless it was asked for)."""

    element: ElementHandle
    kind: str | None
    box: tuple[float, float, float, float]


def chains(selectors: list[Selector]) -> list[list[str]]:
    """The alternatives, each as a chain of parts."""
    return [[part] if isinstance(part, str) else list(part) for part in selectors]


async def find_place(context: BrowserContext, main: Page, step: BaseStep, deadline: Deadline) -> Place:
    """The page and frame of `step`; waits for a tab or a frame that is still to come. Raises: StepFailed."""
    while True:
        place, missing = _look_for_place(context, main, step)
        if place is not None:
            return place
        if deadline.left_ms() <= MARGIN_MS:
            raise ElementNotFound(missing)
        await asyncio.sleep(POLL)


def _look_for_place(context: BrowserContext, main: Page, step: BaseStep) -> tuple[Place | None, str]:
    target = step.target or "main"
    if target == "main":
        page, frame = main, main.main_frame
    else:
        found = next((page for page in context.pages if page.url == target), None)
        if found is not None:
            page, frame = found, found.main_frame
        else:
            inner = next((frame for page in context.pages for frame in page.frames if frame.url == target), None)
            if inner is None:
                return None, f"no tab or frame shows {target}"
            page, frame = inner.page, inner
    for depth, index in enumerate(step.frame or (), 1):
        if not 0 <= index < len(frame.child_frames):
            return None, f"the page has no frame {step.frame} (level {depth} has {len(frame.child_frames)})"
        frame = frame.child_frames[index]
    return Place(page, frame), ""


async def ask(frame: Frame, request: dict[str, Any], deadline: Deadline, *, source: str | None = None) -> Any:
    """Let the page answer `request`; a page that navigates meanwhile is asked again. Raises: PlaywrightError."""
    while True:
        try:
            return await frame.evaluate(source or script("replay_page.js"), _timed(request, deadline))
        except PlaywrightError as error:
            await _again(error, frame, deadline)


async def find_ready(
    frame: Frame, selectors: list[Selector], deadline: Deadline, *, enabled: bool, fill: bool = False, box: bool = False
) -> Found:
    """The first alternative that is ready. Raises: ElementNotFound, StepTimeout, StepFailed, PlaywrightError."""
    need = {"enabled": enabled, "fill": fill, "box": box}
    request = {"op": "ready", "alternatives": chains(selectors), "need": need}
    while True:
        try:
            handle = await frame.evaluate_handle(script("replay_page.js"), _timed(request, deadline))
            answer: dict[str, Any] = await handle.json_value()
            if not answer["ok"]:
                raise _not_ready(answer, selectors, deadline)
            element = (await handle.get_property("element")).as_element()
            assert element is not None, "the script answers with an element"
            return Found(element, answer["kind"], await _in_page(frame, answer["box"]))
        except PlaywrightError as error:
            await _again(error, frame, deadline)


def _timed(request: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
    return {**request, "timeout": max(deadline.left_ms() - MARGIN_MS, 0)}


async def _again(error: PlaywrightError, frame: Frame, deadline: Deadline) -> None:
    """Return if it is worth asking again. Raises: `error`."""
    moved = any(text in error.message for text in GONE_AGAIN)
    if not moved or frame.is_detached() or deadline.left_ms() <= MARGIN_MS:
        raise error
    await asyncio.sleep(POLL / 5)


def _not_ready(answer: dict[str, Any], selectors: list[Selector], deadline: Deadline) -> StepFailed:
    tried = ", ".join(describe(selectors))
    if answer.get("invalid"):
        return StepFailed(f"No selector is valid: {'; '.join(answer['invalid'])}", hint="Correct the step's selectors.")
    if answer.get("matched"):
        return StepTimeout(f"The element {answer['reason']} ({deadline.timeout_ms:.0f} ms): {tried}")
    return ElementNotFound(f"No element within {deadline.timeout_ms:.0f} ms: {tried}")


async def _in_page(frame: Frame, box: dict[str, float] | None) -> tuple[float, float, float, float]:
    """The box in the page's coordinates: through the frames around it, with their borders and padding."""
    if box is None:
        return 0, 0, 0, 0
    x, y = box["x"], box["y"]
    inner = frame
    while inner.parent_frame is not None:
        owner = await inner.frame_element()
        left, top = await owner.evaluate(
            """(element) => {
                const {left, top} = element.getBoundingClientRect();
                const style = getComputedStyle(element);
                const sum = (...names) => names.reduce((total, name) => total + parseInt(style[name], 10), 0);
                return [left + sum('paddingLeft', 'borderLeftWidth'), top + sum('paddingTop', 'borderTopWidth')];
            }"""
        )
        x, y = x + left, y + top
        inner = inner.parent_frame
    return x, y, box["width"], box["height"]
