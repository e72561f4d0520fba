"""A real server, a page that is logged in to it, and a look at what the page would tell a screen reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.integration.server import PROJECT, ServerProcess

AXE = PROJECT / "node_modules" / "axe-core" / "axe.min.js"
POLL_SECONDS = 0.5

expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def live_server(
    tmp_path_factory: pytest.TempPathFactory, chromium_path: str, clean_environment: None
) -> Iterator[ServerProcess]:
    """One server for every test that does not harm it; each test makes workspaces of its own."""
    server = ServerProcess(
        tmp_path_factory.mktemp("live") / "data",
        chromium=chromium_path,
        poll_interval=POLL_SECONDS,
        log_level="WARNING",
    )
    server.data_dir.mkdir()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def own_server(tmp_path: Path, chromium_path: str) -> Iterator[ServerProcess]:
    """A server that the test may kill."""
    server = ServerProcess(tmp_path / "data", chromium=chromium_path, poll_interval=POLL_SECONDS)
    server.data_dir.mkdir()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_context_args,
        "locale": "en-US",
        "viewport": {"width": 1280, "height": 900},
        "reduced_motion": "reduce",  # What moves is drawn by the processor here, and half faded is no colour to judge.
    }


@pytest.fixture(autouse=True)
def no_page_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that fails before it closes its pages must not slow down all that follow."""
    browser = request.getfixturevalue("browser") if "browser" in request.fixturenames else None
    yield
    for context in browser.contexts if browser is not None else []:
        context.close()


def log_in(context: BrowserContext, server: ServerProcess) -> None:
    answer = context.request.post(
        f"{server.url}/login", headers={"Origin": server.url}, data={"token": server.token, "next": "/"}
    )
    assert answer.ok, answer.text()


def watch(page: Page) -> list[str]:
    """What the page's console and its uncaught errors say; a good page says nothing."""
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    return said


OpenWorkspace = Callable[..., Page]


@pytest.fixture
def workspace(context: BrowserContext, live_server: ServerProcess) -> OpenWorkspace:
    """`workspace(*tasks)` opens the page of a new workspace with these tasks; its id is `session_of(page)`."""
    log_in(context, live_server)

    def open_workspace(*tasks: dict[str, object]) -> Page:
        page = context.new_page()
        page.goto(f"{live_server.url}/s/{live_server.session(*tasks)}")
        expect(page.locator("#freshness")).to_have_attribute("data-state", "fresh")
        return page

    return open_workspace


def session_of(page: Page) -> str:
    return page.url.rpartition("/")[2]


def shell_task(name: str, command: str = "true", **fields: object) -> dict[str, object]:
    return {"kind": "shell", "name": name, "command": command, **fields}


def task_names(page: Page) -> list[str]:
    return page.locator("#task-list .open").all_text_contents()


def row(page: Page, name: str) -> Any:
    """The run's row of a task."""
    return page.locator(".row", has=page.locator("b", has_text=name))
