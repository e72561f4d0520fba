"""Our own steps (`customStep`): screenshot, extract, assertText, download."""

from __future__ import annotations

import asyncio
from typing import Any

from bg_runner.errors import AssertionFailed, ElementNotFound, StepFailed
from bg_runner.tasks import steps as s
from bg_runner.tasks.browser_log import too_large
from bg_runner.tasks.replay_elements import ask, chains
from bg_runner.tasks.replay_stage import Moment, Stage
from bg_runner.tasks.replay_steps import Handler, click_middle

SHOWN = 300


async def screenshot(stage: Stage, step: s.ScreenshotStep, at: Moment) -> None:
    await stage.keep_screenshot(at.place.page, step.parameters.name, at.number)


async def extract(stage: Stage, step: s.ExtractStep, at: Moment) -> None:
    wanted = step.parameters
    request = {"op": "read", "alternatives": chains(wanted.selectors), "attribute": wanted.attribute}
    answer = await ask(at.place.frame, request, at.deadline)
    _check(answer, step, at)
    stage.values[wanted.name] = answer["value"]


async def assert_text(_: Stage, step: s.AssertTextStep, at: Moment) -> None:
    wanted = step.parameters
    request = {"op": "read", "alternatives": chains(wanted.selectors), "text": wanted.text}
    answer = await ask(at.place.frame, request, at.deadline)
    if not answer["ok"] and answer.get("matched"):
        shown = str(answer["value"])[:SHOWN]
        raise AssertionFailed(f"Expected the text {wanted.text[:SHOWN]!r}, the page shows {shown!r}.")
    _check(answer, step, at)


async def download(stage: Stage, step: s.DownloadStep, at: Moment) -> None:
    loop = asyncio.get_running_loop()
    too_much: asyncio.Future[None] = loop.create_future()

    def on_progress(event: dict[str, Any]) -> None:
        if event.get("receivedBytes", 0) > stage.max_download and not too_much.done():
            too_much.set_result(None)

    session = (await stage.input(at.place.page)).session
    session.on("Page.downloadProgress", on_progress)
    stage.watch.wanted_download = loop.create_future()
    try:
        await session.send("Page.enable")
        await click_middle(stage, step, at)
        begun = await stage.watch.wanted_download
        keeping = asyncio.ensure_future(stage.keep_download(begun, at.number))
        try:
            waited: set[asyncio.Future[Any]] = {keeping, too_much}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not keeping.done():
                raise too_large(stage.max_download)
            stage.note(f"  kept {keeping.result()}")
        finally:
            if not keeping.done():
                keeping.cancel()
                await begun.cancel()
    finally:
        stage.watch.wanted_download = None
        session.remove_listener("Page.downloadProgress", on_progress)


HANDLERS: dict[type[s.BaseStep], Handler] = {
    s.ScreenshotStep: screenshot,
    s.ExtractStep: extract,
    s.AssertTextStep: assert_text,
    s.DownloadStep: download,
}


def _check(answer: dict[str, Any], step: s.ExtractStep | s.AssertTextStep, at: Moment) -> None:
    """Raises: StepFailed if no element was found to read."""
    if answer["ok"]:
        return
    if answer.get("invalid"):
        raise StepFailed(f"No selector is valid: {'; '.join(answer['invalid'])}", hint="Correct the step's selectors.")
    tried = ", ".join(s.describe(step.parameters.selectors))
    raise ElementNotFound(f"No element within {at.deadline.timeout_ms:.0f} ms: {tried}")
