"""The terminals of the workspace's page: tabs, tags, dialogs, sharing, what is lost and what is left."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bg_runner.terminals.host_client import HostClient
from tests.e2e.conftest import log_in
from tests.e2e.terminals import (
    MakeTerminal,
    connected,
    menu,
    open_pane,
    panel,
    shows,
    tab,
    terminal_maker,
    text_of,
)
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal


@pytest.fixture
def make(live_server: ServerProcess) -> Iterator[MakeTerminal]:
    with terminal_maker(live_server) as maker:
        yield maker


def selected_terminal(page: Page, server: ServerProcess) -> Terminal:
    """The terminal in front, which the page has made."""
    terminal = Terminal.__new__(Terminal)
    terminal.server = server
    terminal.id = str(page.locator('[role=tab][aria-selected="true"]').get_attribute("data-terminal"))
    terminal.url = f"/api/terminals/{terminal.id}"
    return terminal


def test_a_new_terminal_by_the_dialog(context: BrowserContext, live_server: ServerProcess, make: MakeTerminal) -> None:
    make(name="there before", command="cat")
    page = open_pane(context, live_server)
    page.get_by_role("button", name="New terminal").click()
    dialog = page.get_by_role("dialog", name="New terminal")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("made by hand")
    dialog.get_by_label("Command").fill("cat")
    dialog.get_by_label("Working directory").fill("/no/such/directory")
    dialog.get_by_text("More", exact=True).click()
    dialog.get_by_label("Group").fill("hand-made")
    dialog.get_by_role("button", name="Open").click()
    # The error stands at its field, which has the focus.
    expect(dialog.locator("[data-field=cwd] .field-error")).to_contain_text("The working directory does not exist")
    expect(dialog.get_by_label("Working directory")).to_be_focused()
    dialog.get_by_label("Working directory").fill("/")
    dialog.get_by_label("Shell").fill("/no/such/shell")
    page.keyboard.press("Enter")
    expect(dialog.locator("[data-field=shell] .field-error")).to_contain_text("The shell does not exist")
    dialog.get_by_label("Shell").fill("")
    page.keyboard.press("Enter")

    expect(dialog).to_be_hidden()
    expect(page.locator('[role=tab][aria-selected="true"]')).to_contain_text("made by hand")
    terminal = selected_terminal(page, live_server)
    try:
        connected(page, terminal)
        expect(panel(page, terminal).locator(".term-cwd")).to_have_text("/")
        expect(page.locator(".term-group[data-group=hand-made] [role=tab]")).to_have_count(1)
        page.keyboard.type("typed at once\n")  # the terminal has the focus
        shows(page, terminal, "typed at once")
        # The address brings it back.
        page.reload()
        expect(tab(page, terminal)).to_have_attribute("aria-selected", "true")
        shows(page, terminal, "typed at once")
    finally:
        live_server.client.delete(terminal.url)


def test_the_first_visit_says_what_a_terminal_is_for(context: BrowserContext, own_server: ServerProcess) -> None:
    page = open_pane(context, own_server)
    pane = page.locator("#terminals-pane")
    expect(pane.get_by_role("heading", name="A shell that stays when you leave")).to_be_visible()
    expect(pane.get_by_role("button")).to_have_count(1)
    pane.get_by_role("button", name="Open a terminal").click()
    page.keyboard.press("Enter")  # everything has a default
    expect(pane.get_by_role("tab")).to_have_count(1)
    expect(pane.get_by_role("tab")).to_have_attribute("aria-selected", "true")
    connected(page, selected_terminal(page, own_server))
    expect(page.locator("#terminal-count")).to_have_text("1")


def test_tabs_by_keyboard(context: BrowserContext, live_server: ServerProcess, make: MakeTerminal) -> None:
    one, two, three = (make(name=f"key {number}", group="keys", command="cat") for number in range(3))
    page = open_pane(context, live_server, one)
    tab(page, one).focus()
    page.keyboard.press("ArrowDown")
    expect(tab(page, two)).to_be_focused()
    # Moving opens nothing, and there is one place to tab to.
    expect(tab(page, one)).to_have_attribute("aria-selected", "true")
    assert page.locator('[role=tab][tabindex="0"]').count() == 1
    page.keyboard.press("Enter")
    expect(tab(page, two)).to_have_attribute("aria-selected", "true")
    expect(panel(page, two)).to_be_visible()
    expect(panel(page, one)).to_be_hidden()
    connected(page, two)
    page.keyboard.type("for the second\n")
    shows(page, two, "for the second")
    page.keyboard.press("Control+Shift+Period")  # leaves the terminal
    expect(tab(page, two)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(tab(page, three)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    tab(page, three).focus()
    page.keyboard.press("F2")
    dialog = page.get_by_role("dialog", name="Rename the terminal")
    dialog.get_by_label("Name").fill("key renamed")
    page.keyboard.press("Enter")
    expect(tab(page, three)).to_contain_text("key renamed")
    expect(tab(page, three)).to_be_focused()
    assert three.state()["name"] == "key renamed"
    page.keyboard.press("Delete")
    expect(page.get_by_role("dialog", name="Close key renamed")).to_be_visible()
    page.keyboard.press("Escape")
    expect(tab(page, three)).to_be_focused()
    # Frames of terminals that nobody opened are not there.
    assert page.locator(f"#terminal-panel-{three.id}").count() == 0


def test_groups_fold_and_get_other_names(
    context: BrowserContext, live_server: ServerProcess, make: MakeTerminal
) -> None:
    one, two = make(name="g1", command="cat"), make(name="g2", group="old group", command="cat")
    page = open_pane(context, live_server, one)
    menu(page, one, "Rename")
    dialog = page.get_by_role("dialog", name="Rename the terminal")
    dialog.get_by_label("Group").fill("old group")
    dialog.get_by_role("button", name="Save").click()
    group = page.locator('.term-group[data-group="old group"]')
    expect(group.get_by_role("tab")).to_have_count(2)

    group.get_by_role("button", name="Rename the group old group").click()
    page.get_by_role("dialog").get_by_label("Group").fill("new group")
    page.keyboard.press("Enter")
    group = page.locator('.term-group[data-group="new group"]')
    expect(group.get_by_role("tab")).to_have_count(2)
    assert {one.state()["group"], two.state()["group"]} == {"new group"}

    fold = group.get_by_role("button", name=re.compile("^new group"))
    expect(fold).to_have_attribute("aria-expanded", "true")
    fold.click()
    expect(tab(page, two)).to_be_hidden()
    page.reload()
    expect(fold).to_have_attribute("aria-expanded", "false")
    fold.click()
    expect(tab(page, two)).to_be_visible()


def test_tags_tell_who_looks(browser: Browser, live_server: ServerProcess, make: MakeTerminal) -> None:
    terminal, other = make(name="looked at", command="cat"), make(name="aside", command="cat")
    here = browser.new_context(locale="en-US")
    page = open_pane(here, live_server, other)
    expect(tab(page, terminal).locator(".term-tag")).to_have_text(["running", "running in background"])
    expect(tab(page, terminal).locator(".term-tag.background")).to_be_visible()
    tab(page, terminal).click()
    expect(tab(page, terminal).locator(".term-tag.one")).to_have_text("1 client")

    there = browser.new_context(locale="zh-CN")
    second = open_pane(there, live_server, terminal)
    tags = panel(second, terminal).locator(".term-tag")
    expect(tags).to_have_text(["运行中", "2 个客户端"])
    expect(panel(page, terminal).locator(".term-tag.many")).to_have_text("2 clients")
    # Everybody sees who is there.
    people = panel(page, terminal).locator(".term-people li")
    expect(people).to_have_count(2)
    expect(people.first).to_contain_text("You · control")

    here.close()
    expect(tags).to_have_text(["运行中", "1 个客户端"])
    expect(tab(second, other).locator(".term-tag")).to_have_text(["运行中", "后台运行中"])
    terminal.call("POST", "/kill", {})
    expect(tags).to_have_text(["已停止"])
    expect(tab(second, terminal).locator(".term-tag")).to_have_text(["已停止"])
    there.close()


def test_the_colours_of_the_tags_and_their_pulse(
    browser: Browser, live_server: ServerProcess, make: MakeTerminal
) -> None:
    terminal = make(name="colours", command="cat")
    context = browser.new_context(locale="en-US", color_scheme="light", reduced_motion="reduce")
    page = open_pane(context, live_server, terminal)
    colour = "element => getComputedStyle(element).color"
    expect(panel(page, terminal).locator(".term-tag.one")).to_be_visible()
    red, green, blue = map(int, re.findall(r"\d+", panel(page, terminal).locator(".term-tag.one").evaluate(colour))[:3])
    assert red < green  # cyan
    assert red < blue
    dot = panel(page, terminal).locator(".term-tag.running .term-dot")
    assert dot.evaluate("element => getComputedStyle(element).animationName") == "none"
    context.close()


def test_what_the_processes_use_is_a_live_chart(
    context: BrowserContext, live_server: ServerProcess, make: MakeTerminal
) -> None:
    terminal = make(name="busy", command="cat")
    page = open_pane(context, live_server, terminal)
    chart = panel(page, terminal).get_by_role("img")
    expect(chart).to_have_attribute("aria-label", re.compile(r"CPU .+, memory .+ MB, \d+ process(es)?"))
    line = chart.locator("polyline").last
    expect(line).to_have_attribute("points", re.compile(r"\S+ \S+"), timeout=30_000)


def test_the_three_ways_to_close(context: BrowserContext, live_server: ServerProcess, make: MakeTerminal) -> None:
    terminal, _stays = make(name="closing", command="cat; cat"), make(name="stays", command="cat")
    page = open_pane(context, live_server, terminal)
    menu(page, terminal, "Close")
    dialog = page.get_by_role("dialog", name="Close closing")
    dialog.get_by_role("button", name="Hide the tab").click()
    expect(tab(page, terminal)).to_be_hidden()
    assert terminal.state()["status"] == "running"
    page.get_by_role("button", name="hidden").click()
    page.locator(".menu").get_by_role("button", name="closing").click()
    expect(tab(page, terminal)).to_have_attribute("aria-selected", "true")

    menu(page, terminal, "Close")
    dialog.get_by_role("button", name="End the program").click()
    expect(dialog.get_by_role("status")).to_contain_text(re.compile(r"\d+ process(es)? ended in .* s\."))
    expect(dialog.get_by_role("status")).to_contain_text("None survived.")
    page.keyboard.press("Enter")
    expect(panel(page, terminal).locator(".term-tag")).to_have_text(["stopped"])
    assert terminal.state()["status"] == "exited"
    after = panel(page, terminal).locator(".term-after")
    expect(after.get_by_role("link", name="Replay")).to_be_visible()
    expect(after.get_by_role("link", name="Download")).to_be_visible()

    after.get_by_role("button", name="Remove").click()
    dialog.get_by_role("button", name="Delete with the recording").click()
    expect(tab(page, terminal)).to_have_count(0)
    expect(dialog).to_be_hidden()
    assert live_server.client.get(terminal.url).status_code == httpx.codes.NOT_FOUND


def test_a_link_to_watch_cannot_type_and_is_taken_back(
    browser: Browser, context: BrowserContext, live_server: ServerProcess, make: MakeTerminal
) -> None:
    terminal = make(name="shown", command="cat")
    page = open_pane(context, live_server, terminal)
    panel(page, terminal).get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog", name="Share shown")
    dialog.get_by_label("For whom").fill("Anna")
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.get_by_role("textbox", name="Link").input_value()
    code = dialog.get_by_alt_text("QR code of the link")
    assert code.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    expect(dialog.get_by_role("list", name="Share links").get_by_role("listitem")).to_contain_text("Anna")

    guests = browser.new_context(locale="en-US")
    guest = guests.new_page()
    guest.goto(link)
    expect(guest).to_have_url(re.compile("/share/[^?]+$"))  # the secret does not stay in the address
    expect(guest.frame_locator("iframe").locator("body")).to_have_attribute("data-connection", "connected")
    expect(guest.locator(".term-people")).to_contain_text("You · view")
    expect(guest.locator(".term-tools button, .term-after")).to_have_count(0)
    guest.locator("iframe").click()
    guest.keyboard.type("guest was here\n")
    page.keyboard.press("Escape")
    terminal.type("owner types")
    shows(guest, terminal, "owner types")
    assert "guest" not in text_of(guest, "/share/")
    assert "guest" not in terminal.call("GET", "/screen")["text"]
    assert guests.request.get(f"{live_server.url}/api/terminals").status in (401, 403)

    panel(page, terminal).get_by_role("button", name="Share").click()
    dialog.get_by_role("button", name="Revoke Anna").click()
    expect(dialog.get_by_role("list", name="Share links")).to_have_text("Nobody else has a link.")
    expect(guest.get_by_role("heading", name="This share link does not hold any more")).to_be_visible()
    guests.close()


def kill_host(server: ServerProcess) -> None:
    """As the out-of-memory killer may do it: the PTY host and all that runs on it."""
    host = HostClient(server.data_dir)
    assert host.ensure(start=False)
    process = psutil.Process(int(host.instance.partition("-")[0]))
    tree = [process, *process.children(recursive=True)]
    host.close()
    for one in tree:
        one.send_signal(signal.SIGKILL)
    psutil.wait_procs(tree, 10)


def test_a_lost_terminal_says_why_and_runs_again(context: BrowserContext, own_server: ServerProcess) -> None:
    terminal = Terminal(own_server, name="gone", command="echo the last words; cat")
    terminal.wait_for("last words")
    own_server.kill()
    kill_host(own_server)
    own_server.start()
    page = open_pane(context, own_server)
    tab(page, terminal).click()
    expect(tab(page, terminal).locator(".term-tag.lost")).to_have_text("lost")
    remark = panel(page, terminal).locator(".term-remarks")
    expect(remark).to_contain_text("This terminal was lost")
    expect(remark).to_contain_text("The process that keeps the terminals was killed.")
    shows(page, terminal, "the last words")
    remark.get_by_role("button", name="Run again").click()
    expect(page.get_by_role("tab")).to_have_count(2)
    again = selected_terminal(page, own_server)
    assert again.id != terminal.id
    shows(page, again, "the last words")
    expect(panel(page, again).locator(".term-tag.running")).to_be_visible()


def test_progress_is_a_bar_on_the_tab_and_a_number_in_the_title(
    context: BrowserContext, live_server: ServerProcess, make: MakeTerminal
) -> None:
    osc = "printf '\\033]9;4;%s\\007'"
    terminal = make(name="percent", command=f"read a; {osc} '1;45'; read a; {osc} '2;60'; read a; {osc} 0; cat")
    page = open_pane(context, live_server, terminal)
    expect(page).to_have_title("percent · bg-runner")
    bar = tab(page, terminal).locator(".term-progress")
    expect(bar).to_be_hidden()
    terminal.type("go")
    expect(page).to_have_title("45% · percent · bg-runner")
    expect(tab(page, terminal)).to_contain_text("45%")
    expect(bar).to_be_visible()
    terminal.type("go")
    expect(page).to_have_title("60%, an error · percent · bg-runner")
    expect(bar).to_have_attribute("data-state", "error")
    terminal.type("go")
    expect(page).to_have_title("percent · bg-runner")
    # The tasks' own title is back with the tasks.
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Tasks").click()
    expect(page).to_have_title("bg-runner")


def test_a_long_command_that_ends_in_a_hidden_tab_notifies(
    context: BrowserContext, live_server: ServerProcess, make: MakeTerminal
) -> None:
    terminal = make(name="long one", command="cat")
    context.grant_permissions(["notifications"])
    context.add_init_script(
        """window.told = []; const Real = Notification;
        window.Notification = class extends Real {
            constructor(title, options) { super(title, options); told.push(`${title}: ${options.body}`); }
        }"""
    )
    page = open_pane(context, live_server, terminal)
    frame = next(one for one in page.frames if one.url.endswith(f"{terminal.id}/frame"))
    say = """seconds => parent.postMessage(
        { source: "bg-runner-terminal", type: "command", event: "done", code: 2, seconds }, location.origin)"""
    frame.evaluate(say, 4000)  # somebody looks
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    frame.evaluate(say, 9)  # short
    frame.evaluate(say, 75)
    page.wait_for_function("told.length")
    assert page.evaluate("told") == ["long one: The command failed with exit code 2 after 1 min 15 s."]


def test_a_hidden_tab_asks_for_nothing(context: BrowserContext, live_server: ServerProcess, make: MakeTerminal) -> None:
    make(name="unseen", command="cat")
    log_in(context, live_server)
    page = context.new_page()
    page.clock.install()
    page.goto(f"{live_server.url}/s/{live_server.session()}#terminals")
    expect(page.get_by_role("tab").first).to_be_visible()
    with page.expect_request("**/api/terminals"):
        page.clock.run_for(5_500)
    asked: list[str] = []
    page.evaluate(
        """Object.defineProperty(document, 'hidden', { get: () => window.away ?? true });
        document.dispatchEvent(new Event('visibilitychange'))"""
    )
    page.on("request", lambda request: asked.append(request.url) if "/api/terminals" in request.url else None)
    page.clock.run_for(60_000)
    page.evaluate("fetch('/api/health').then((answer) => answer.text())")
    assert asked == []
    with page.expect_request("**/api/terminals"):
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")


def test_alone_in_a_tab(context: BrowserContext, live_server: ServerProcess, make: MakeTerminal) -> None:
    terminal = make(name="on its own", command="cat")
    page = open_pane(context, live_server, terminal)
    with context.expect_page() as opened:
        panel(page, terminal).get_by_role("link", name="Open alone in a tab").click()
    alone = opened.value
    expect(alone.get_by_role("heading", name="on its own", level=1)).to_be_visible()
    expect(alone.locator(".term-tag.many")).to_have_text("2 clients")
    shows(alone, terminal, "")
    expect(alone).to_have_title("on its own · bg-runner")
    expect(alone.locator("#back")).to_contain_text("Workspace")
    terminal.call("POST", "/kill", {})
    alone.get_by_role("button", name="Run again").click()
    expect(alone.locator(".term-tag.running")).to_be_visible()
    assert terminal.id not in alone.url
    live_server.client.delete(f"/api/terminals/{alone.url.rpartition('/')[2]}")
    expect(alone.get_by_role("heading", name="This terminal has been removed")).to_be_visible()
