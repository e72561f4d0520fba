"""Terminals on the page, for the tests that look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import BrowserContext, FrameLocator, Locator, Page, expect

from tests.conditions import wait_until
from tests.e2e.conftest import log_in
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal

MakeTerminal = Callable[..., Terminal]


@contextmanager
def terminal_maker(server: ServerProcess) -> Iterator[MakeTerminal]:
    """Makes terminals that are gone at the end, so that no other test meets them."""
    made: list[Terminal] = []

    def make(**fields: object) -> Terminal:
        made.append(Terminal(server, **fields))
        return made[-1]

    yield make
    for one in made:
        answer = server.client.delete(one.url)
        assert answer.status_code in (httpx.codes.OK, httpx.codes.NOT_FOUND), answer.text


def open_pane(context: BrowserContext, server: ServerProcess, terminal: Terminal | None = None) -> Page:
    """The terminals of a new workspace, `terminal` in front."""
    log_in(context, server)
    page = context.new_page()
    page.goto(f"{server.url}/s/{server.session()}#terminals{f'/{terminal.id}' if terminal else ''}")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "fresh")
    if terminal:
        expect(tab(page, terminal)).to_have_attribute("aria-selected", "true")
        connected(page, terminal)
    return page


def tab(page: Page, terminal: Terminal) -> Locator:
    return page.locator(f"#terminal-tab-{terminal.id}")


def panel(page: Page, terminal: Terminal) -> Locator:
    return page.locator(f"#terminal-panel-{terminal.id}")


def frame_of(page: Page, terminal: Terminal) -> FrameLocator:
    return panel(page, terminal).frame_locator("iframe")


def connected(page: Page, terminal: Terminal) -> None:
    """Wait until the frame has what the terminal shows."""
    expect(frame_of(page, terminal).locator("body")).to_have_attribute("data-connection", "connected", timeout=30_000)


def text_of(page: Page, address: str) -> str:
    """What the frame whose address contains `address` shows, scrollback included."""
    frame = next((one for one in page.frames if address in one.url and one.url.endswith("/frame")), None)
    return str(frame.evaluate("() => window.terminalFrame?.text() ?? ''")) if frame else ""


def shows(page: Page, terminal: Terminal, text: str) -> None:
    """Wait until the terminal shows `text` on this page."""
    address = terminal.id if "/share/" not in page.url else "/share/"
    wait_until(lambda: text in text_of(page, address), 30, 0.05)


def menu(page: Page, terminal: Terminal, item: str) -> None:
    """Choose from the menu of the terminal in front."""
    panel(page, terminal).get_by_role("button", name="More for this terminal").click()
    panel(page, terminal).locator(".menu").get_by_role("button", name=item, exact=True).click()
