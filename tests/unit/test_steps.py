"""Steps as models: what they take, what they keep, how they are called."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bg_runner.tasks.replay import HANDLERS, timeout_of
from bg_runner.tasks.steps import BaseStep, Step, label, selectors_of, starts_with_navigate

STEP: TypeAdapter[Step] = TypeAdapter(Step)
NAVIGATE = {"type": "navigate", "url": "https://a.example/"}
VIEWPORT = {"type": "setViewport", "width": 800, "height": 600}
CLICK = {"type": "click", "selectors": [["#host", "#in"], "aria/In"]}
CHANGE = {"type": "change", "selectors": ["#pw"], "value": "typed"}


def read(raw: dict[str, Any]) -> Step:
    return STEP.validate_python(raw)


def concrete(root: type[BaseStep]) -> set[type[BaseStep]]:
    below = [concrete(cls) for cls in root.__subclasses__()]
    return set().union(*below) if below else {root}


def test_every_step_type_is_replayed() -> None:
    assert set(HANDLERS) == concrete(BaseStep)


@pytest.mark.parametrize(
    ("raw", "text", "selectors"),
    [
        (NAVIGATE, "navigate https://a.example/", []),
        (CLICK, "click #host >> #in", [["#host", "#in"], "aria/In"]),
        (CHANGE, "change #pw", ["#pw"]),
        ({"type": "keyDown", "key": "Enter", "selectors": 5}, "keyDown Enter", []),
        ({"type": "scroll", "y": 3}, "scroll", []),
        (
            {"type": "customStep", "name": "extract", "parameters": {"name": "v", "selectors": ["p"]}},
            "customStep extract p",
            ["p"],
        ),
    ],
)
def test_a_label_names_the_step_and_no_typed_value(raw: dict[str, Any], text: str, selectors: list[Any]) -> None:
    step = read(raw)
    assert label(step) == text
    assert selectors_of(step) == selectors


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "unknown"},
        {"type": "click", "selectors": []},
        {"type": "click", "selectors": [[]]},
        {"type": "navigate", "url": "https://a.example/", "timeout": 0},
        {"type": "customStep", "name": "unknown", "parameters": {}},
        {"type": "customStep", "name": "extract", "parameters": {"name": "v", "selectors": ["p"], "more": 1}},
        {"type": "change", "selectors": ["#a"], "value": {"secret": "not a name"}},
    ],
)
def test_what_is_no_step_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(raw)


def test_unknown_fields_survive() -> None:
    assert STEP.dump_python(read(CLICK | {"fresh": {"a": [1]}}))["fresh"] == {"a": [1]}


@pytest.mark.parametrize(
    ("path", "opens"),
    [([], False), ([NAVIGATE], True), ([VIEWPORT, NAVIGATE], True), ([VIEWPORT, CLICK, NAVIGATE], False)],
)
def test_whether_a_path_opens_its_first_page(path: list[dict[str, Any]], opens: bool) -> None:
    assert starts_with_navigate([read(raw) for raw in path]) is opens


def test_time_limits() -> None:
    assert timeout_of(read(CLICK)) == 5_000
    assert timeout_of(read(NAVIGATE)) == 30_000
    assert timeout_of(read(NAVIGATE | {"timeout": 700})) == 700
    download = {"type": "customStep", "name": "download", "parameters": {"selectors": ["a"]}}
    assert timeout_of(read(download)) == 60_000
