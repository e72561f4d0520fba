"""The replay of recordings: playing, seeking, searching, commands, downloads, and recordings too long for a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import log_in, watch
from tests.e2e.terminals import MakeTerminal, menu, open_pane, panel, terminal_maker
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal

LINES = "for i in 1 2 3 4 5 6; do printf '\\033[3%smcolour %s\\033[0m\\n' $i $i; sleep 0.2; done"


@pytest.fixture
def make(live_server: ServerProcess) -> Iterator[MakeTerminal]:
    with terminal_maker(live_server) as maker:
        yield maker


def open_replay(context: BrowserContext, server: ServerProcess, terminal: Terminal) -> Page:
    log_in(context, server)
    page = context.new_page()
    page.goto(f"{server.url}/t/{terminal.id}/replay")
    expect(page.locator("#player .ap-player")).to_be_visible(timeout=30_000)
    expect(page.get_by_label("Search in the output")).to_be_enabled()
    return page


def find(page: Page, words: str) -> None:
    page.get_by_label("Search in the output").fill(words)


def test_an_ended_terminal_is_played_searched_and_sought(
    context: BrowserContext, live_server: ServerProcess, make: MakeTerminal
) -> None:
    terminal = make(name="colours", command=f"{LINES}; echo ' 编译完成'; exit 3")
    terminal.ended()
    page = open_replay(context, live_server, terminal)
    said = watch(page)
    expect(page).to_have_title("Replay · colours · bg-runner")
    # Colours and cuts between events are no obstacle.
    find(page, "COLOUR 4")
    hits = page.locator("#hits button")
    expect(hits).to_have_count(1)
    expect(page.locator("#hits mark")).to_have_text("colour 4")
    expect(page.locator("#hit-count")).to_have_text("1 place")
    hits.first.click()
    expect(page.locator("#player .ap-term")).to_contain_text("colour 4")
    expect(page.locator("#player .ap-term")).not_to_contain_text("colour 6")
    assert float(page.locator("#player").get_attribute("data-at") or "nan") > 0
    find(page, "编译")
    expect(page.locator("#hits mark")).to_have_text("编译")
    find(page, "(never.said")
    expect(page.locator("#hit-count")).to_have_text("Not found")

    page.get_by_label("Speed", exact=True).select_option("16")
    page.locator("#player").get_by_role("button", name="Play").first.click()
    expect(page.locator("#player")).to_have_attribute("data-state", "ended", timeout=30_000)
    expect(page.locator("#player .ap-term")).to_contain_text("编译完成")
    assert said == []


def test_commands_are_marked(context: BrowserContext, live_server: ServerProcess, make: MakeTerminal) -> None:
    terminal = make(name="marked", shell="/bin/bash")
    terminal.type("echo first; printf '%s\\n' one-$((1+1))")
    terminal.wait_for("one-2")
    terminal.type("echo second-$((1+2))")
    terminal.wait_for("second-3")
    page = open_replay(context, live_server, terminal)
    commands = page.get_by_role("heading", name="Commands").locator("xpath=following-sibling::ol").get_by_role("button")
    expect(commands).to_have_count(2)
    expect(commands.nth(1)).to_contain_text("echo second-")
    commands.nth(1).click()
    expect(page.locator("#player .ap-term")).to_contain_text("one-2")


def test_the_download_is_a_cast(context: BrowserContext, live_server: ServerProcess, make: MakeTerminal) -> None:
    terminal = make(name="to keep", command="echo kept; cat")
    terminal.wait_for("kept")
    page = open_pane(context, live_server, terminal)
    with page.expect_download() as download:
        menu(page, terminal, "Download the recording")
    assert download.value.suggested_filename.endswith(".cast")
    header, *events = map(json.loads, download.value.path().read_text(encoding="utf-8").splitlines())
    assert header["version"] == 2
    assert "kept\r\n" in "".join(event[2] for event in events if event[1] == "o")
    with context.expect_page() as opened:
        menu(page, terminal, "Replay the recording")
    expect(opened.value.locator("#player .ap-player")).to_be_visible()
    opened.value.get_by_role("link", name="To the terminal").click()
    expect(opened.value.get_by_role("heading", name="to keep", level=1)).to_be_visible()


def test_a_long_recording_is_shown_in_part_and_says_so(
    context: BrowserContext, live_server: ServerProcess, make: MakeTerminal
) -> None:
    line = "0123456789abcdef" * 6
    terminal = make(name="long", command=f"echo the beginning; yes {line} | head -c 18000000; echo; echo 'the '\"end\"")
    terminal.ended()
    page = open_replay(context, live_server, terminal)
    notice = page.locator("#replay-notice")
    expect(notice).to_contain_text("This is the first part of a long recording (16 MB).")
    find(page, "the beginning")
    expect(page.locator("#hit-count")).to_have_text("1 place")
    notice.get_by_role("button", name="Show the end").click()
    expect(notice).to_contain_text("This is the last part of a long recording", timeout=60_000)
    find(page, "the end")
    expect(page.locator("#hit-count")).to_have_text("1 place")
    page.locator("#hits button").click()
    expect(page.locator("#player .ap-term")).to_contain_text("the end")
    # Too many places to list are counted no further.
    find(page, "9abc")
    expect(page.locator("#hit-count")).to_have_text("The first 500 places")
    expect(page.locator("#hits button")).to_have_count(500)


def test_nothing_recorded_yet(context: BrowserContext, live_server: ServerProcess, make: MakeTerminal) -> None:
    terminal = make(name="silent", command="sleep 600")
    log_in(context, live_server)
    page = context.new_page()
    page.goto(f"{live_server.url}/t/{terminal.id}/replay")
    expect(page.get_by_text("Nothing has been recorded yet.")).to_be_visible()
    expect(page.get_by_label("Search in the output")).to_be_disabled()


def test_the_end_of_a_terminal_leads_to_its_replay(
    context: BrowserContext, live_server: ServerProcess, make: MakeTerminal
) -> None:
    terminal = make(name="over", command="echo bye; exit 4")
    terminal.ended()
    page = open_pane(context, live_server, terminal)
    remark = panel(page, terminal).locator(".term-remarks")
    expect(remark).to_contain_text("The program has ended with exit code 4.")
    with context.expect_page() as opened:
        remark.get_by_role("link", name="Replay").click()
    expect(opened.value).to_have_url(re.compile(f"/t/{terminal.id}/replay$"))
    with page.expect_download() as download:
        remark.get_by_role("link", name="Download").click()
    assert '"version"' in download.value.path().read_text()
