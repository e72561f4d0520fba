"""How it looks to everybody: narrow, in Chinese, in the dark, with a screen reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import AXE, log_in, shell_task
from tests.e2e.terminals import terminal_maker
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal

Scheme = Literal["light", "dark"]


def open_page(
    browser: Browser,
    server: ServerProcess,
    *,
    width: int = 1280,
    height: int = 800,
    scheme: Scheme = "light",
    lang: str = "en-US",
) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, locale=lang, reduced_motion="reduce"
    )
    log_in(context, server)
    return context.new_page()


@pytest.fixture(scope="module")
def finished(live_server: ServerProcess) -> str:
    """A workspace with an ended run that has a bit of everything."""
    flow: dict[str, object] = {
        "kind": "browser",
        "name": "Look at the shop",
        "screenshots": "each",
        "path": [
            {"type": "navigate", "url": f"{live_server.url}/demo/about.html"},
            {"type": "customStep", "name": "extract", "parameters": {"name": "title", "selectors": [["h1"]]}},
            {"type": "click", "selectors": [["#missing"]], "offsetX": 1, "offsetY": 1, "timeout": 200},
        ],
    }
    long_name = "a-very-long-name-without-any-space-" * 4
    tasks = [flow, shell_task(long_name, "seq 1 30; exit 1"), shell_task("off", enabled=False), shell_task("fine")]
    session = live_server.run(*tasks)
    live_server.ended(session)
    live_server.call("POST", "start", session, task_indices=[3], ignore_completed=True)
    live_server.ended(session)
    live_server.call("POST", "start", session)
    live_server.ended(session)
    return f"/s/{session}"


@pytest.fixture(scope="module")
def empty(live_server: ServerProcess) -> str:
    return f"/s/{live_server.session()}"


@pytest.fixture(scope="module")
def look_terminals(live_server: ServerProcess) -> Iterator[dict[str, Terminal]]:
    """One terminal with progress, one in a group with a long name, one that has ended."""
    with terminal_maker(live_server) as make:
        made = {
            "running": make(name="build", command="printf '\\033]9;4;1;45\\007'; cat"),
            "group": make(
                name="a-very-long-name-without-any-space-" * 2, group="a group with a long name", command="cat"
            ),
            "ended": make(name="over", command="printf '\\033[31mcolour\\033[0m\\n'; exit 3"),
        }
        made["ended"].ended()
        yield made


@pytest.fixture(scope="module")
def terminals(live_server: ServerProcess, look_terminals: dict[str, Terminal]) -> str:
    return f"/s/{live_server.session()}#terminals/{look_terminals['running'].id}"


@pytest.fixture(scope="module")
def ended_terminal(look_terminals: dict[str, Terminal]) -> str:
    return f"/t/{look_terminals['ended'].id}"


@pytest.fixture(scope="module")
def replay(ended_terminal: str) -> str:
    return f"{ended_terminal}/replay"


def workspace_ready(page: Page) -> None:
    expect(page.locator("#freshness")).to_have_attribute("data-state", "fresh")
    expect(page.locator("#welcome, #task-list > li").first).to_be_attached()


def unfold(page: Page) -> None:
    workspace_ready(page)
    if page.locator("#tasks-pane.folded #fold-button").is_visible():
        page.locator("#fold-button").click()


def click(selector: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        unfold(page)
        page.locator(selector).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()

    return act


def front(page: Page) -> Locator:
    """The panel of the terminal in front, connected."""
    panel = page.locator(".term-panel:not([hidden])")
    expect(panel.frame_locator("iframe").locator("body")).to_have_attribute("data-connection", "connected")
    expect(panel.locator(".term-tag").first).to_be_visible()
    return panel


def share_dialog(page: Page) -> None:
    panel = front(page)
    panel.get_by_role("button", name="More for this terminal").click()  # the way that a narrow screen has, too
    panel.locator(".menu").get_by_role("button", name="Share", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Make a link").click()
    expect(page.get_by_role("dialog").get_by_role("listitem").first).to_contain_text("nobody connected")


def close_dialog(page: Page) -> None:
    front(page).get_by_role("button", name="More for this terminal").click()
    page.locator(".menu").get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def new_terminal_dialog(page: Page) -> None:
    front(page)
    page.get_by_role("button", name="New terminal").click()
    page.get_by_role("dialog").get_by_text("More", exact=True).click()


def replay_ready(page: Page) -> None:
    page.get_by_label("Search in the output").fill("colour")
    expect(page.locator("#hits button").first).to_be_visible()
    expect(page.locator("#player .ap-player")).to_be_visible()


VIEWS: dict[str, tuple[str, Callable[[Page], object]]] = {
    "empty": ("empty", workspace_ready),
    "finished": ("finished", workspace_ready),
    "browser form": ("finished", click("#task-list li:nth-child(1) .open")),
    "shell form": ("finished", click("#tasks-pane [data-add=shell]")),
    "import": ("finished", click("#tasks-pane [data-add=import]")),
    "json": ("finished", click("#tasks-pane [data-add=json]")),
    "secrets": ("finished", click("#secrets-button")),
    "link": ("finished", click("#link-button")),
    "log": ("finished", click(".row-actions button")),
    "screenshots": ("finished", click(".frame")),
    "terminals": ("terminals", front),
    "new terminal": ("terminals", new_terminal_dialog),
    "close terminal": ("terminals", close_dialog),
    "share terminal": ("terminals", share_dialog),
    "terminal alone": ("ended_terminal", front),
    "replay": ("replay", replay_ready),
    "login": ("/login", lambda page: None),
    "not found": ("/s/00000000-0000-4000-8000-000000000000", lambda page: None),
    "demo shop": ("/demo/", lambda page: expect(page.locator(".teas li")).to_have_count(6)),
    "demo product": (
        "/demo/product.html?tea=oolong",
        lambda page: expect(page.locator("#picture svg")).to_be_visible(),
    ),
    "demo checkout": ("/demo/checkout.html", lambda page: expect(page.locator("#basket-total")).to_have_text("0.00")),
}


@pytest.fixture(params=list(VIEWS))
def view(request: pytest.FixtureRequest, live_server: ServerProcess) -> Callable[[Page], None]:
    address, prepare = VIEWS[request.param]
    path = str(request.getfixturevalue(address)) if not address.startswith("/") else address

    def show(page: Page) -> None:
        page.goto(live_server.url + path)
        prepare(page)

    return show


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    browser: Browser, live_server: ServerProcess, view: Callable[[Page], None], scheme: Scheme
) -> None:
    # High enough that a dialog need not scroll: what is scrolled half away counts as too small a target.
    page = open_page(browser, live_server, height=1600, scheme=scheme)
    view(page)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        """async () => (await axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        })).violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target} ${node.failureSummary}`))"""
    )
    page.context.close()
    assert found == []


def test_nothing_is_wider_than_a_phone(
    browser: Browser, live_server: ServerProcess, view: Callable[[Page], None]
) -> None:
    page = open_page(browser, live_server, width=360)
    view(page)
    too_wide = page.evaluate(
        """() => [document.documentElement, ...document.querySelectorAll("dialog, .dialog-body")]
            .filter((element) => element.scrollWidth > element.clientWidth)
            .map((element) => `${element.tagName} ${element.scrollWidth} > ${element.clientWidth}`)"""
    )
    page.context.close()
    assert too_wide == []


def test_the_page_speaks_chinese(browser: Browser, live_server: ServerProcess, finished: str) -> None:
    page = open_page(browser, live_server, lang="zh-CN")
    page.goto(live_server.url + finished)
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#start-background-button")).to_have_text("后台执行所有")
    expect(page.locator("#run-heading")).to_have_text("已结束，2 个失败")
    expect(page.locator(".figures dt")).to_have_text(["已完成", "总进度", "当前任务", "已用时间"])
    expect(page.locator(".card").first).to_contain_text("未找到元素")
    # The switch stays in effect over the browser's language.
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#start-background-button")).to_have_text("Run all in background")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#start-background-button")).to_have_text("后台执行所有")
    page.context.close()


def test_the_theme_follows_the_system_until_it_is_switched(
    browser: Browser, live_server: ServerProcess, empty: str
) -> None:
    page = open_page(browser, live_server, scheme="dark")
    page.goto(live_server.url + empty)
    workspace_ready(page)

    def background() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    dark = background()
    page.get_by_role("button", name="Theme: as the system").click()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    light = background()
    assert light != dark
    page.reload()
    workspace_ready(page)
    assert background() == light
    page.get_by_role("button", name="Theme: light").click()
    assert background() == dark
    page.context.close()


def test_everything_is_reached_by_keyboard_and_the_focus_comes_back(
    browser: Browser, live_server: ServerProcess
) -> None:
    page = open_page(browser, live_server)
    page.goto(f"{live_server.url}/s/{live_server.session(shell_task('one'))}")
    workspace_ready(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the tasks")).to_be_focused()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"link-button", "secrets-button", "theme-button", "pick-all", "open", "start-background-button"} <= reached
    page.locator("#task-list .open").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Command")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#task-list .open")).to_be_focused()
    page.context.close()


def test_a_link_logs_another_device_in_once(browser: Browser, live_server: ServerProcess, finished: str) -> None:
    page = open_page(browser, live_server)
    page.goto(live_server.url + finished)
    workspace_ready(page)
    page.locator("#link-button").click()
    link = page.get_by_role("dialog").get_by_label("Link").input_value()
    code = page.get_by_alt_text("QR code of the link")
    assert code.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.context.close()

    other = browser.new_context(locale="en-US").new_page()
    other.goto(link)
    expect(other).to_have_url(live_server.url + finished)
    workspace_ready(other)
    other.context.clear_cookies()
    other.goto(link)
    expect(other.get_by_role("alert")).to_contain_text("This link has been used or is too old.")
    # What the server says is text: its hint speaks of "<token>".
    expect(other.get_by_role("alert")).to_contain_text("Bearer <token>")
    other.get_by_label("Token").fill("not the token at all")
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("alert")).to_contain_text("This is not the token of this server.")
    other.context.close()
