"""Choosing the links of a generated path."""

from __future__ import annotations

import pytest

from bg_runner.tasks.planner import choose_links, plan_path
from bg_runner.tasks.steps import label

HOME = "https://a.example/docs/?q=1#top"


@pytest.mark.parametrize(
    ("links", "chosen"),
    [
        (["https://a.example/b", "https://a.example/b#x", "https://a.example/c"], ["b", "c"]),
        ([HOME, "https://a.example/docs/?q=1", "https://a.example/docs/?q=2"], ["docs/?q=2"]),
        (["http://a.example/b", "https://a.example:444/b", "https://b.example/", "mailto:a@a.example"], []),
        (["https://a.example/x.PDF", "https://a.example/x.zip", "https://a.example/x.html"], ["x.html"]),
        (["http://[broken", "javascript:void 0", "", "https://a.example/ok"], ["ok"]),
        ([f"https://a.example/{number}" for number in range(9)], ["0", "1", "2"]),
    ],
)
def test_links(links: list[str], chosen: list[str]) -> None:
    assert choose_links(HOME, links, 3) == [f"https://a.example/{path}" for path in chosen]


def test_three_steps_a_page_with_names_that_tell_them_apart() -> None:
    path = plan_path("https://a.example/", ["https://a.example/a%20b/c?x=1"])
    assert [label(step) for step in path] == [
        "navigate https://a.example/",
        "waitForElement body",
        "customStep screenshot",
        "navigate https://a.example/a%20b/c?x=1",
        "waitForElement body",
        "customStep screenshot",
    ]
    names = [step.parameters.name for step in path if step.type == "customStep" and step.name == "screenshot"]
    assert names == ["1-start", "2-a b-c"]
