"""An empty workspace, one click, and everything works to its end."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenWorkspace, row, watch


@pytest.mark.slow
def test_the_sample_list_runs_to_its_end_with_one_click(workspace: OpenWorkspace) -> None:
    page = workspace()
    said = watch(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("What should go on after you close this tab?")

    page.get_by_role("button", name="Run the sample list").click()

    expect(page.locator("#run-heading")).to_have_text("Running")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuetext", re.compile("of 4 done"))
    expect(page).to_have_title(re.compile(r"^\d+% · \d/4 · bg-runner$"))
    expect(page.locator("#background-task-status")).to_contain_text(
        "Background tasks all complete!", timeout=90_000, use_inner_text=True
    )
    expect(page.locator("#done-value")).to_have_text("4 / 4")
    expect(page.locator("#total-value")).to_have_text("100%")
    expect(page.locator("#current-value")).to_have_text("100%")
    expect(page.get_by_role("status").filter(has_text="Background tasks all complete!")).to_have_count(1)
    expect(page).to_have_title("Complete · 4/4 · bg-runner")
    expect(page.locator("#favicon")).to_have_attribute("href", re.compile("^data:image/svg"))

    order = row(page, "Order tea in the demo shop")
    expect(order.locator(".values")).to_contain_text(re.compile(r"KL-\d{6}.*33\.50", re.DOTALL))
    frames = order.locator(".frame img")
    assert frames.count() >= 17
    assert frames.last.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1280
    expect(row(page, "Watch the stock page").get_by_role("link", name="prices.csv")).to_be_visible()
    with page.expect_download() as download:
        row(page, "Watch the stock page").get_by_role("link", name="prices.csv").click()
    assert "Dong Ding Oolong" in download.value.path().read_text()

    # The filmstrip opens large and goes on by the arrow keys.
    frames.first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[role=status]")).to_have_text(re.compile("^1 of "))
    page.keyboard.press("ArrowRight")
    expect(dialog.locator("[role=status]")).to_have_text(re.compile("^2 of "))
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(order.locator(".frame").first).to_be_focused()

    # A page that is opened again finds the run by itself.
    page.reload()
    expect(page.locator("#run-heading")).to_have_text("Complete")
    expect(page.locator("#done-value")).to_have_text("4 / 4")
    assert said == []


def test_the_sample_list_can_be_added_without_running_it(workspace: OpenWorkspace) -> None:
    page = workspace()
    page.get_by_role("button", name="Only add it").click()
    expect(page.locator("#task-list > li")).to_have_count(4)
    expect(page.locator("#welcome")).to_have_count(0)
    expect(page.locator("#background-task-status")).to_contain_text("Nothing has run yet")
    expect(page.locator("#start-background-button")).to_have_text("Run all in background")
