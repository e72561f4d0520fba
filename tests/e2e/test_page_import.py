"""A Recorder file becomes a task, and its password a secret."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.conftest import OpenWorkspace, session_of
from tests.integration.server import ServerProcess

RECORDING = {
    "title": "Sign in",
    "steps": [
        {"type": "navigate", "url": "https://example.com/login"},
        {"type": "change", "selectors": [["#name"]], "value": "ada"},
        {"type": "change", "selectors": [["aria/Password"], ["#password"]], "value": "hunter2", "flavour": "new"},
        {"type": "juggle", "selectors": [["#balls"]]},
        {"type": "click", "selectors": [["#go"]], "offsetX": 1, "offsetY": 1},
    ],
}


def test_a_recording_is_imported_and_its_password_becomes_a_secret(
    workspace: OpenWorkspace, live_server: ServerProcess, tmp_path: Path
) -> None:
    recording = tmp_path / "sign-in.json"
    recording.write_text(json.dumps(RECORDING))
    page = workspace()
    page.locator("#welcome").get_by_role("button", name="Import a recording").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").set_input_files(recording)

    expect(dialog.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(dialog.locator(".findings").first).to_contain_text("Step 4")
    expect(dialog.locator(".findings").last).to_contain_text("flavour")
    expect(dialog.get_by_label("Step 3: keep this password as a secret")).to_be_checked()
    dialog.get_by_label("Name of the secret").fill("9 lives")
    dialog.get_by_role("button", name="Add task").click()
    expect(dialog.get_by_label("Name of the secret")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Name of the secret").fill("EXAMPLE_PASSWORD")
    dialog.get_by_role("button", name="Add task").click()
    expect(dialog).to_have_count(0)

    expect(page.locator("#task-list .open")).to_have_text(["Sign in"])
    session = session_of(page)
    (task,) = live_server.call("GET", "tasks", session)["tasks"]
    values = [step["value"] for step in task["path"] if step["type"] == "change"]
    assert values == ["ada", {"secret": "EXAMPLE_PASSWORD"}]
    assert live_server.call("GET", "secrets", session)["secrets"] == ["EXAMPLE_PASSWORD"]
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("Fill “Password” with secret EXAMPLE_PASSWORD")
    assert "hunter2" not in page.content()


def test_what_is_no_recording_is_refused_kindly(workspace: OpenWorkspace) -> None:
    page = workspace()
    page.locator("#welcome").get_by_role("button", name="Import a recording").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Recording as JSON").fill("steps: none")
    dialog.get_by_role("button", name="Read").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This is not JSON")
    dialog.get_by_label("Recording as JSON").fill('{"title": "no steps"}')
    dialog.get_by_role("button", name="Read").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This recording cannot be imported")
