"""Editing the list: forms, keyboard, JSON, and two tabs at once."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenWorkspace, session_of, shell_task, task_names
from tests.integration.server import ServerProcess


def saved(server: ServerProcess, page: Page) -> list[dict[str, object]]:
    return list(server.call("GET", "tasks", session_of(page))["tasks"])


def test_a_shell_task_is_made_in_a_form_with_all_its_fields(
    workspace: OpenWorkspace, live_server: ServerProcess
) -> None:
    page = workspace()
    page.locator("#secrets-button").click()
    page.get_by_label("Name", exact=True).fill("SHOP_PASSWORD")
    page.get_by_label("Value").fill("hunter2")
    page.get_by_role("button", name="Save secret").click()
    expect(page.locator(".secret-list code")).to_have_text("SHOP_PASSWORD")
    expect(page.get_by_label("Value")).to_have_value("")
    page.keyboard.press("Escape")

    page.locator("#welcome").get_by_role("button", name="Shell task").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name", exact=True).fill("Nightly copy")
    form.get_by_label("Command").fill("echo one\necho two")
    form.get_by_label("Working directory").fill("/tmp")
    form.get_by_role("button", name="Add a variable").click()
    form.get_by_label("Name of variable 1").fill("PASSWORD")
    form.get_by_label("Kind of variable 1").select_option("secret")
    form.get_by_role("button", name="Add a variable").click()
    form.get_by_label("Name of variable 2").fill("LEVEL")
    form.get_by_label("Value of variable 2").fill("3")
    form.get_by_text("When it runs, and for how long").click()
    form.get_by_label("Time limit in seconds").fill("90")
    form.get_by_label("Not after").fill("2031-05-06T07:08")
    form.get_by_label("If the server is killed meanwhile").select_option("ask")
    form.get_by_role("button", name="Add task").click()
    expect(form).to_have_count(0)

    (task,) = saved(live_server, page)
    assert task["name"] == "Nightly copy"
    assert task["command"] == "echo one\necho two"
    assert task["cwd"] == "/tmp"
    assert task["env"] == {"PASSWORD": {"secret": "SHOP_PASSWORD"}, "LEVEL": "3"}
    assert (task["timeout"], task["after_crash"], task["shell"]) == (90.0, "ask", None)
    assert str(task["expires_at"]).startswith("2031-05-0")


def test_a_browser_task_gets_steps_in_a_readable_list(workspace: OpenWorkspace, live_server: ServerProcess) -> None:
    page = workspace()
    page.locator("#welcome").get_by_role("button", name="Browser task").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Address to open first").fill("https://example.com/")
    form.get_by_label("Kind of the new step").select_option("click")
    form.get_by_role("button", name="Add a step").click()
    editor = form.get_by_label("Step 1 as JSON")
    editor.fill("{")
    form.get_by_role("button", name="Apply").click()
    expect(editor).to_have_attribute("aria-invalid", "true")
    editor.fill(json.dumps({"type": "click", "selectors": [["aria/Sign in"], ["#go"]], "offsetX": 1, "offsetY": 1}))
    form.get_by_role("button", name="Apply").click()
    expect(form.locator(".step .words span")).to_have_text("Click “Sign in”")
    expect(form.locator(".step .words code")).to_have_text("aria/Sign in | #go")
    form.get_by_label("Kind of the new step").select_option("screenshot")
    form.get_by_role("button", name="Add a step").click()
    form.get_by_role("button", name="Apply").click()
    form.get_by_role("button", name="Move step 2 up").click()
    form.get_by_label("Window width").fill("800")
    form.get_by_label("Screenshots").select_option("failures")
    form.get_by_role("button", name="Add task").click()
    expect(form).to_have_count(0)

    (task,) = saved(live_server, page)
    path = task["path"]
    assert isinstance(path, list)
    assert [step["type"] for step in path] == ["customStep", "click"]
    assert task["viewport"] == {"width": 800, "height": 720}
    assert task["screenshots"] == "failures"


def test_wrong_values_are_told_at_their_fields(workspace: OpenWorkspace) -> None:
    page = workspace()
    page.locator("#welcome").get_by_role("button", name="Browser task").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Address to open first").fill("ftp://example.com")
    form.get_by_label("Login profile").fill("two words")
    form.get_by_role("button", name="Add task").click()
    expect(form.get_by_label("Address to open first")).to_be_focused()
    expect(form.get_by_label("Address to open first")).to_have_accessible_description(
        "Not needed when the first step opens an address. Enter an address that starts with http:// or https://."
    )
    expect(form.get_by_label("Login profile")).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Leave", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)

    # What only the server can know comes back to the field, too.
    page.locator("#welcome").get_by_role("button", name="Shell task").click()
    form.get_by_label("Command").fill("true")
    form.get_by_label("Working directory").fill("/no/such/place")
    form.get_by_role("button", name="Add task").click()
    expect(form.get_by_label("Working directory")).to_have_attribute("aria-invalid", "true")
    expect(form.locator("[data-field=cwd] .field-error")).to_contain_text("/no/such/place")


def test_tasks_are_moved_by_keyboard_and_by_buttons(workspace: OpenWorkspace, live_server: ServerProcess) -> None:
    page = workspace(shell_task("one"), shell_task("two"), shell_task("three"))
    page.get_by_role("button", name="three", exact=True).focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("#task-list .open").nth(1)).to_have_text("three")
    expect(page.get_by_role("button", name="three", exact=True)).to_be_focused()
    expect(page.locator("#live")).to_have_text("three is now number 2 of 3.")
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("#task-list .open").nth(0)).to_have_text("three")
    page.get_by_role("button", name="Move one down").click()
    expect(page.locator("#task-list .open").nth(2)).to_have_text("one")
    assert task_names(page) == ["three", "two", "one"]
    assert [task["name"] for task in saved(live_server, page)] == ["three", "two", "one"]


def test_a_deleted_task_comes_back_with_undo(workspace: OpenWorkspace) -> None:
    page = workspace(shell_task("one"), shell_task("two"))
    page.get_by_role("button", name="More about one").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#task-list > li")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#task-list .open")).to_have_text(["one", "two"])
    page.get_by_role("button", name="More about two").click()
    page.get_by_role("button", name="Duplicate").click()
    expect(page.locator("#task-list .open")).to_have_text(["one", "two", "two (copy)"])


def test_the_list_is_edited_as_json_and_mistakes_are_named(
    workspace: OpenWorkspace, live_server: ServerProcess
) -> None:
    page = workspace(shell_task("one"))
    page.locator("#tasks-pane [data-add=json]").click()
    area = page.get_by_role("dialog").get_by_label("Tasks")
    tasks = json.loads(area.input_value())
    area.fill(area.input_value() + "}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not JSON")
    area.fill(json.dumps([*tasks, {"kind": "shell", "name": "two", "colour": "red"}]))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("tasks.1")
    expect(page.get_by_role("alert")).to_contain_text("colour")
    area.fill(json.dumps([*tasks, {"kind": "shell", "name": "two", "command": "true"}]))
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#task-list .open")).to_have_text(["one", "two"])
    assert len(saved(live_server, page)) == 2


def test_a_conflict_of_two_tabs_offers_both_versions(workspace: OpenWorkspace, live_server: ServerProcess) -> None:
    page = workspace(shell_task("one"), shell_task("two"))
    session = session_of(page)

    def somebody_else_renames(name: str) -> None:
        tasks = live_server.call("GET", "tasks", session)["tasks"]
        live_server.call("PUT", "tasks", session, tasks=[{**tasks[0], "name": name}, *tasks[1:]])

    somebody_else_renames("theirs")
    page.get_by_role("button", name="Move one down").click()
    dialog = page.get_by_role("dialog", name="The list was changed elsewhere")
    expect(dialog).to_contain_text("theirs")
    dialog.get_by_role("button", name="Load theirs").click()
    expect(page.locator("#task-list .open")).to_have_text(["theirs", "two"])

    somebody_else_renames("theirs again")
    page.get_by_role("button", name="Move theirs down").click()
    dialog.get_by_role("button", name="Keep mine").click()
    expect(page.locator("#task-list .open")).to_have_text(["two", "theirs"])
    assert [task["name"] for task in saved(live_server, page)] == ["two", "theirs"]
