"""Watching a run: live output, failures, stop, a server that goes away; what a task prints never becomes markup."""

from __future__ import annotations

import hashlib
import re

from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import OpenWorkspace, log_in, row, session_of, shell_task, watch
from tests.integration.server import ServerProcess

MARKUP = '<img src=x onerror="document.title=1"><script>document.title=1</script>'


def start(page: Page) -> None:
    page.locator("#start-background-button").click()


def test_a_failure_opens_its_card_and_can_be_run_again(workspace: OpenWorkspace) -> None:
    page = workspace(shell_task("good"), shell_task("bad", "echo why it failed; exit 3"), shell_task("after"))
    start(page)
    expect(page.locator("#run-heading")).to_have_text("Finished, 1 failed")
    bad = row(page, "bad")
    expect(bad.locator(".row-head")).to_have_attribute("aria-expanded", "true")
    expect(bad.locator(".card")).to_contain_text("The command ended with an error")
    expect(bad.locator(".card")).to_contain_text("EXIT_NON_ZERO")
    expect(bad.locator(".card dl")).to_contain_text(re.compile("Exit status.*3", re.DOTALL))
    expect(bad.locator(".output")).to_have_text("why it failed")
    expect(row(page, "after").locator(".state")).to_have_text("Done")

    page.get_by_role("button", name="Run what failed").click()
    expect(page.locator(".history-list li")).to_have_count(1)
    expect(page.locator("#run-heading")).to_have_text("Finished, 1 failed")
    expect(bad.locator(".state")).to_have_text("Failed")
    expect(row(page, "good").locator(".state")).to_have_text("Done")

    page.get_by_role("button", name="Run good alone").click()
    expect(page.locator("#run-heading")).to_have_text("Complete")
    expect(page.locator("#done-value")).to_have_text("1 / 1")


def test_output_is_live_and_the_whole_log_is_there(workspace: OpenWorkspace, live_server: ServerProcess) -> None:
    page = workspace(shell_task("talk", "seq 1 60000; echo 45%; cat"))
    start(page)
    talk = row(page, "talk")
    expect(talk.locator(".output")).to_contain_text("45%")
    expect(talk.locator(".progress")).to_have_text("45%")
    expect(page.locator("#current-value")).to_have_text("45%")
    talk.get_by_role("button", name="Full log").click()
    dialog = page.get_by_role("dialog", name="Log of talk")
    expect(dialog.locator("pre")).to_contain_text("59999")
    dialog.get_by_role("button", name="Load earlier output").click()
    expect(dialog.locator("pre")).to_contain_text(re.compile(r"^1\r?\n2\r?\n3\r?\n"))
    expect(dialog.get_by_role("button", name="Load earlier output")).to_be_hidden()
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download log").click()
    assert download.value.path().read_text().splitlines()[:3] == ["1", "2", "3"]
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Stop background tasks").click()
    expect(page.locator("#run-heading")).to_have_text("Stopped")


def test_stopping_shows_the_receipt(workspace: OpenWorkspace) -> None:
    page = workspace(shell_task("sleeper", "sleep 300 & sleep 300"), shell_task("never"))
    start(page)
    expect(row(page, "sleeper").locator(".state")).to_have_text("Running")
    page.get_by_role("button", name="Stop background tasks").click()
    expect(page.locator("#run-heading")).to_have_text("Stopped")
    expect(page.locator(".run-head")).to_contain_text(re.compile(r"\d+ process(es)? ended in .* s\."))
    expect(page.locator(".run-head")).to_contain_text("None survived.")
    expect(row(page, "never").locator(".state")).to_have_text("Not reached")
    expect(page.get_by_role("button", name="Run the rest")).to_be_visible()


def test_skipped_tasks_say_why(workspace: OpenWorkspace) -> None:
    page = workspace(
        shell_task("off", enabled=False), shell_task("old", expires_at="2020-01-01T00:00:00Z"), shell_task("on")
    )
    start(page)
    expect(page.locator("#run-heading")).to_have_text("Complete")
    expect(page.locator("#done-value")).to_have_text("1 / 1")
    expect(row(page, "off")).to_contain_text("It is switched off.")
    expect(row(page, "old")).to_contain_text("Its last date has passed.")
    # What succeeded is left out the next time, unless the box is ticked.
    start(page)
    expect(row(page, "on")).to_contain_text("It succeeded before.")
    page.get_by_label("Ignore completed").check()
    start(page)
    expect(row(page, "on").locator(".state")).to_have_text("Done")


def test_only_chosen_tasks_run(workspace: OpenWorkspace) -> None:
    page = workspace(shell_task("one"), shell_task("two"), shell_task("three"))
    page.get_by_label("Choose two").uncheck()
    expect(page.locator("#start-background-button")).to_have_text("Run 2 tasks in background")
    start(page)
    expect(page.locator("#run-heading")).to_have_text("Complete")
    expect(page.locator(".rows b")).to_have_text(["one", "three"])
    page.get_by_label("Choose all").check()
    page.get_by_label("Choose all").uncheck()
    expect(page.locator("#start-background-button")).to_be_disabled()


def test_markup_in_names_output_and_errors_stays_text(workspace: OpenWorkspace, live_server: ServerProcess) -> None:
    flow = {
        "kind": "browser",
        "name": MARKUP,
        "path": [
            {"type": "navigate", "url": f"{live_server.url}/demo/about.html"},
            {"type": "waitForElement", "selectors": [[f"text/{MARKUP}"]], "timeout": 300},
        ],
    }
    page = workspace(flow, shell_task(MARKUP, f"printf '%s\\n' '{MARKUP}'; exit 1"))
    said = watch(page)
    start(page)
    expect(page.locator("#run-heading")).to_have_text("Finished, 2 failed")
    expect(page.locator(".output").last).to_have_text(MARKUP)
    expect(page.locator(".rows b").first).to_have_text(MARKUP)
    expect(page.locator(".card").first).to_contain_text("Looked for")
    expect(page.locator(".card .frame img")).to_be_visible()
    page.locator("#task-list .open").first.click()
    expect(page.get_by_role("dialog").locator("h2")).to_have_text(MARKUP)
    assert page.locator("script:not([src]):not([type='application/json']), img[src=x]").count() == 0
    assert page.title() != "1"
    assert said == []


def test_the_page_says_that_the_server_is_away_and_recovers(context: BrowserContext, own_server: ServerProcess) -> None:
    log_in(context, own_server)
    page = context.new_page()
    session = own_server.session(shell_task("long", "echo before; sleep 3; echo after"))
    page.goto(f"{own_server.url}/s/{session}")
    start(page)
    expect(row(page, "long").locator(".output")).to_contain_text("before")
    own_server.kill()
    expect(page.locator("#banners")).to_contain_text("The server does not answer")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "away")
    expect(page).to_have_title("No connection · bg-runner")
    own_server.start()
    expect(page.locator("#banners")).to_be_empty()
    expect(page.locator("#run-heading")).to_have_text("Complete", timeout=30_000)
    expect(page.locator("#live")).to_have_text(re.compile("all complete|back"))
    assert session_of(page) == session


def test_a_task_that_was_cut_off_asks_what_to_do(context: BrowserContext, own_server: ServerProcess) -> None:
    flow: dict[str, object] = {
        "kind": "browser",
        "name": "slow",
        "after_crash": "ask",
        "path": [
            {"type": "navigate", "url": f"{own_server.url}/demo/about.html"},
            {"type": "waitForElement", "selectors": [["#never"]], "timeout": 60_000},
        ],
    }
    log_in(context, own_server)
    page = context.new_page()
    page.goto(f"{own_server.url}/s/{own_server.session(flow)}")
    start(page)
    expect(row(page, "slow").locator(".what")).to_contain_text("Step 2 of 2: Wait for #never")
    own_server.kill()
    own_server.start()
    question = row(page, "slow").locator(".question")
    expect(question).to_contain_text("Run this task again?", timeout=30_000)
    expect(row(page, "slow").locator(".state")).to_have_text("Needs an answer")
    expect(question.get_by_role("button", name="Run it again")).to_be_visible()
    question.get_by_role("button", name="Skip it").click()
    expect(row(page, "slow").locator(".state")).to_have_text("Skipped")
    expect(page.locator("#run-heading")).not_to_have_text("Running")


def test_a_damaged_state_file_is_told(context: BrowserContext, own_server: ServerProcess) -> None:
    session = own_server.run(shell_task("one"))
    own_server.ended(session)
    own_server.kill()
    state = own_server.data_dir / f"{hashlib.sha256(session.encode()).hexdigest()}.json"
    state.write_bytes(state.read_bytes()[:100])
    own_server.start()
    log_in(context, own_server)
    page = context.new_page()
    page.goto(f"{own_server.url}/s/{session}")
    expect(page.locator("#banners")).to_contain_text("A damaged file was set aside")
    expect(page.locator("#task-list .open")).to_have_text(["one"])


def test_an_expired_login_says_so_and_leads_back(
    context: BrowserContext, workspace: OpenWorkspace, live_server: ServerProcess
) -> None:
    page = workspace(shell_task("one"))
    address = page.url
    context.clear_cookies()
    expect(page.locator("#banners")).to_contain_text("Your login has expired")
    page.locator("#banners").get_by_role("link", name="Log in").click()
    page.get_by_label("Token").fill(live_server.token)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(address)
    expect(page.locator("#task-list .open")).to_have_text(["one"])
