"""The features that the shared Chromium is started without."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import pytest

from bg_runner.settings import Settings
from bg_runner.tasks.browsers import Browsers

FLAG = "--disable-features="


def command_lines(browsers: Browsers) -> list[list[str]]:
    lines = []
    for pid in browsers.processes():
        with contextlib.suppress(psutil.Error):  # one that just ended
            lines.append(psutil.Process(pid).cmdline())
    return lines


@pytest.fixture
def lines(tmp_path: Path, chromium_path: str) -> list[list[str]]:
    """The command lines of a browser's processes while two contexts have a page each."""
    browsers = Browsers(Settings(data_dir=tmp_path, chromium=Path(chromium_path)))

    async def look() -> list[list[str]]:
        async with browsers.lease() as process:
            for _ in range(2):
                await (await process.browser.new_context()).new_page()
            return command_lines(browsers)

    try:
        return browsers.submit(look).result(60)
    finally:
        browsers.close()


def test_what_playwright_disables_stays_disabled(lines: list[list[str]]) -> None:
    main = next(line for line in lines if any(part.startswith(FLAG) for part in line) and "--headless" in line)
    theirs, ours = (set(part.removeprefix(FLAG).split(",")) for part in main if part.startswith(FLAG))
    assert theirs <= ours


def test_no_renderer_belongs_to_the_browsers_own_interface(lines: list[list[str]]) -> None:
    renderers = [line for line in lines if "--type=renderer" in line]
    assert renderers
    assert not [line for line in renderers if "--top-chrome-webui" in line]
