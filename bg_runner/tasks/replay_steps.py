"""The step types of the Recorder, each as the Recorder's own runner replays it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from bg_runner.errors import AssertionFailed, BgRunnerError, SecretMissing, StepFailed, StepTimeout, UrlRefused
from bg_runner.tasks import steps as s
from bg_runner.tasks.replay_elements import Found, ask, chains, find_ready, script
from bg_runner.tasks.replay_input import Press
from bg_runner.tasks.replay_stage import Moment, Stage

KEY_PAUSE = 0.1
TYPE_AT_MOST = 100
# Runs in the page: a promise is waited for, as in the reference.
EXPRESSION = """async ({timeout}) => {
  const end = performance.now() + timeout;
  const pause = () => new Promise((resolve) => {
    const timer = setTimeout(resolve, 60);
    requestAnimationFrame(() => { clearTimeout(timer); resolve(); });
  });
  for (;;) {
    if (await (
%s
    )) return true;
    if (performance.now() >= end) return false;
    await pause();
  }
}"""

Handler = Callable[[Stage, Any, Moment], Awaitable[None]]


def check_openable(url: str) -> None:
    """Raises: UrlRefused unless `url` is http(s), or the empty page."""
    parts = urlsplit(url)
    if url != "about:blank" and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise UrlRefused(f"{url[:200]} is not opened.")


async def navigate(stage: Stage, step: s.Navigate, at: Moment) -> None:
    check_openable(step.url)
    await at.place.frame.goto(step.url, wait_until="load", timeout=at.deadline.left_ms())
    stage.compare(step, at)


async def set_viewport(stage: Stage, step: s.SetViewport, at: Moment) -> None:
    pointer = await stage.input(at.place.page)
    async with stage.acting(step, at):
        await pointer.viewport(step)


async def click(stage: Stage, step: s.Click | s.DoubleClick, at: Moment) -> None:
    pointer = await stage.input(at.place.page)
    found = await find_ready(at.place.frame, step.selectors, at.deadline, enabled=True, box=True)
    hold = None if step.duration is None else step.duration / 1000
    press = Press(step.button, step.deviceType, 2 if isinstance(step, s.DoubleClick) else 1, hold)
    async with stage.acting(step, at):
        await pointer.press(*point(found, step.offsetX, step.offsetY), press)


async def hover(stage: Stage, step: s.Hover, at: Moment) -> None:
    pointer = await stage.input(at.place.page)
    found = await find_ready(at.place.frame, step.selectors, at.deadline, enabled=False, box=True)
    async with stage.acting(step, at):
        await pointer.move(*point(found))


async def change(stage: Stage, step: s.Change, at: Moment) -> None:
    value = _value(stage, step)
    found = await find_ready(at.place.frame, step.selectors, at.deadline, enabled=True, fill=True)
    async with stage.acting(step, at):
        request = {"kind": found.kind, "value": value, "typeAtMost": TYPE_AT_MOST}
        rest = await found.element.evaluate(script("replay_fill.js"), request)
        if rest is None:
            return
        if found.kind == "toggle":
            await click_middle(stage, step, at)
        else:
            await at.place.page.keyboard.type(rest)


def _value(stage: Stage, step: s.Change) -> str:
    if isinstance(step.value, str):
        return step.value
    try:
        return stage.secrets[step.value.secret]
    except KeyError:
        raise SecretMissing(f"The secret {step.value.secret} is not set in this workspace.") from None


async def key(stage: Stage, step: s.KeyDown | s.KeyUp, at: Moment) -> None:
    keyboard = await stage.input(at.place.page)
    async with stage.acting(step, at):
        await (keyboard.key_down(step.key) if isinstance(step, s.KeyDown) else keyboard.key_up(step.key))
        # As in the reference: what a key sets off (a form sent, a field left) begins before the next step.
        await asyncio.sleep(KEY_PAUSE)


async def scroll(stage: Stage, step: s.Scroll, at: Moment) -> None:
    where = [step.x or 0, step.y or 0]
    if step.selectors:
        found = await find_ready(at.place.frame, step.selectors, at.deadline, enabled=False)
        async with stage.acting(step, at):
            to = "(element, [x, y]) => { element.scrollTop = y; element.scrollLeft = x; }"
            await found.element.evaluate(to, where)
    else:
        async with stage.acting(step, at):
            await at.place.frame.evaluate("([x, y]) => window.scroll(x, y)", where)


async def wait_for_element(stage: Stage, step: s.WaitForElement, at: Moment) -> None:
    request = {
        "op": "waitForElement",
        "alternatives": chains(step.selectors),
        "operator": step.operator or ">=",
        "count": 1 if step.count is None else step.count,
        "visible": step.visible is not False,
        "properties": step.properties,
        "attributes": step.attributes,
    }
    async with stage.acting(step, at):
        answer = await ask(at.place.frame, request, at.deadline)
        if not answer["ok"]:
            raise _not_seen(step, request, answer, at.deadline.timeout_ms)


async def wait_for_expression(stage: Stage, step: s.WaitForExpression, at: Moment) -> None:
    async with stage.acting(step, at):
        if not await ask(at.place.frame, {}, at.deadline, source=EXPRESSION % step.expression):
            limit = f"{at.deadline.timeout_ms:.0f} ms"
            raise StepTimeout(f"The expression did not become true within {limit}: {step.expression[:200]}")


async def close(stage: Stage, step: s.Close, at: Moment) -> None:
    async with stage.acting(step, at):
        await at.place.page.close()


async def emulate_network(stage: Stage, step: s.EmulateNetworkConditions, at: Moment) -> None:
    pointer = await stage.input(at.place.page)
    async with stage.acting(step, at):
        await pointer.network(step)


HANDLERS: dict[type[s.BaseStep], Handler] = {
    s.Navigate: navigate,
    s.SetViewport: set_viewport,
    s.Click: click,
    s.DoubleClick: click,
    s.Hover: hover,
    s.Change: change,
    s.KeyDown: key,
    s.KeyUp: key,
    s.Scroll: scroll,
    s.WaitForElement: wait_for_element,
    s.WaitForExpression: wait_for_expression,
    s.Close: close,
    s.EmulateNetworkConditions: emulate_network,
}


async def click_middle(stage: Stage, step: s.Change | s.DownloadStep, at: Moment) -> None:
    """Click what the step names in its middle. Raises: StepFailed, PlaywrightError."""
    found = await find_ready(at.place.frame, s.selectors_of(step), at.deadline, enabled=True, box=True)
    await (await stage.input(at.place.page)).press(*point(found), Press())


def point(found: Found, offset_x: float | None = None, offset_y: float | None = None) -> tuple[float, float]:
    """Where to press: at the recorded offset from the box's corner, else in its middle."""
    x, y, width, height = found.box
    return x + (width / 2 if offset_x is None else offset_x), y + (height / 2 if offset_y is None else offset_y)


def _not_seen(
    step: s.WaitForElement, request: dict[str, Any], answer: dict[str, Any], timeout_ms: float
) -> BgRunnerError:
    if answer.get("invalid"):
        return StepFailed(f"No selector is valid: {'; '.join(answer['invalid'])}", hint="Correct the step's selectors.")
    wanted = f"{request['operator']} {request['count']}"
    if not request["visible"]:
        wanted = f"not {wanted}"
    more = ""
    if step.attributes or step.properties:
        more = f" with {json.dumps({**(step.attributes or {}), **(step.properties or {})}, ensure_ascii=False)}"
    looked_for = ", ".join(s.describe(step.selectors))
    return AssertionFailed(
        f"Waited {timeout_ms:.0f} ms for {wanted} of {looked_for}{more}; the page has {answer['count']}."
    )
