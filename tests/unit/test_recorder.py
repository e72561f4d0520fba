"""Importing recordings: what is kept, what is named, what is refused."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bg_runner.errors import ImportRefused, InvalidField
from bg_runner.tasks.models import BrowserTask
from bg_runner.tasks.recorder import import_flow, with_secrets
from bg_runner.tasks.steps import Change, Click, Navigate, Secret, label

RECORDING: dict[str, Any] = {
    "title": "Log in",
    "timeout": 8000,
    "selectorAttribute": "data-test",
    "newField": True,
    "steps": [
        {"type": "setViewport", "width": 900, "height": 700, "deviceScaleFactor": 1, "isMobile": False}
        | {"hasTouch": False, "isLandscape": False},
        {"type": "navigate", "url": "chrome://new-tab-page/"},
        {"type": "navigate", "url": "https://shop.example/", "assertedEvents": [{"type": "navigation", "extra": 1}]},
        {"type": "change", "selectors": [["aria/User"], ["#user"]], "value": "ann", "target": "main"},
        {"type": "change", "selectors": [["aria/Password"], ["#pw"]], "value": "hunter2"},
        {"type": "click", "selectors": [["aria/Go"]], "offsetX": 5, "offsetY": 4.5, "timeout": 100, "weight": [1, 2]},
        {"type": "wheel", "deltaY": 100},
        {"type": "change", "selectors": [["#file"]], "value": "C:\\fakepath\\cv.pdf"},
        {"type": "click", "selectors": []},
        {"type": "customStep", "name": "lighthouse", "parameters": {}},
        "not a step",
    ],
}


def test_a_recording_becomes_a_task() -> None:
    imported = import_flow(json.dumps(RECORDING).encode())

    assert imported.task.name == "Log in"
    assert [label(step) for step in imported.task.path] == [
        "setViewport",
        "navigate https://shop.example/",
        "change aria/User",
        "change aria/Password",
        "click aria/Go",
    ]
    timeouts = {type(step): step.timeout for step in imported.task.path}
    assert timeouts[Change] == 8000
    assert timeouts[Click] == 100
    assert timeouts[Navigate] is None


def test_what_cannot_be_replayed_is_named_with_its_number() -> None:
    problems = {problem.step: problem.message for problem in import_flow(RECORDING).problems}

    assert list(problems) == [2, 7, 8, 9, 10, 11]
    assert "chrome://new-tab-page/" in problems[2]
    assert "'wheel'" in problems[7]
    assert "file" in problems[8]
    assert problems[9].startswith("selectors: ")
    assert "'lighthouse'" in problems[10]


def test_unknown_fields_are_kept_and_reported() -> None:
    imported = import_flow(RECORDING)

    assert [(field.step, field.field) for field in imported.unknown_fields] == [
        (None, "newField"),
        (3, "assertedEvents.extra"),
        (6, "weight"),
    ]
    again = BrowserTask.model_validate_json(imported.task.model_dump_json())
    assert again.path[-1].model_extra == {"weight": [1, 2]}


def test_a_recorded_password_can_become_a_secret() -> None:
    imported = import_flow(RECORDING)
    (password,) = imported.passwords
    assert password.step == 4

    task, values = with_secrets(imported.task, {password.step: password.suggested_secret_name})

    assert values == {"PASSWORD": "hunter2"}
    step = task.path[3]
    assert isinstance(step, Change)
    assert step.value == Secret(secret="PASSWORD")
    assert "hunter2" not in task.model_dump_json()


@pytest.mark.parametrize("names", [{1: "X"}, {99: "X"}, {0: "X"}, {4: "not a name"}, {3: "SAME", 4: "SAME"}])
def test_only_typed_values_become_secrets(names: dict[int, str]) -> None:
    with pytest.raises(InvalidField):
        with_secrets(import_flow(RECORDING).task, names)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"const puppeteer = require('puppeteer');", "script"),
        (b"import { test } from '@playwright/test';", "script"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"[]", "no steps"),
        (b'{"steps": []}', "no steps"),
        (b'{"log": {"entries": []}}', "`steps`"),
        (b'{"steps": 5}', "`steps`"),
        (b"3", "JSON object"),
        (b'{"steps": [NaN]}', "not JSON"),
        (b'{"kind": "shell", "command": "true"}', "bg-runner itself"),
        (b"[" * 100_000, "not JSON"),
        (json.dumps({"steps": [{"type": "close"}] * 2001}).encode(), "2001 steps"),
    ],
)
def test_what_is_no_recording_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(ImportRefused, match=text):
        import_flow(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KNOWN_TYPES = ["navigate", "click", "change", "keyDown", "scroll", "waitForElement", "close", "customStep", "hover"]
STEPS = st.lists(
    st.builds(
        lambda base, extra: {**extra, **base},
        st.fixed_dictionaries(
            {"type": st.sampled_from(KNOWN_TYPES)},
            optional={
                "url": st.sampled_from(["https://a.example/", "file:///etc/passwd", "http://[", ""]) | JSON,
                "selectors": st.sampled_from([["#a"], [["aria/x", "#b"]], []]) | JSON,
                "value": st.text(max_size=5) | JSON,
                "key": st.sampled_from(["Enter", ""]) | JSON,
                "name": st.sampled_from(["screenshot", "extract", "other"]) | JSON,
                "parameters": JSON,
                "timeout": st.integers(-5, 10**7) | JSON,
                "frame": st.lists(st.integers(), max_size=2) | JSON,
                "assertedEvents": st.just([{"type": "navigation", "more": 1}]) | JSON,
            },
        ),
        st.dictionaries(st.text(max_size=6), JSON, max_size=3),
    )
    | JSON,
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=60)
@given(steps=STEPS, timeout=JSON, title=JSON)
def test_no_field_is_lost_and_nothing_crashes(steps: list[Any], timeout: Any, title: Any) -> None:
    imported = import_flow({"title": title, "timeout": timeout, "steps": steps})

    left_out = {problem.step for problem in imported.problems}
    kept = [raw for number, raw in enumerate(steps, 1) if number not in left_out]
    assert len(kept) == len(imported.task.path)
    dumped = json.loads(imported.task.model_dump_json())["path"]
    for raw, step, saved in zip(kept, imported.task.path, dumped, strict=True):
        assert set(raw) <= set(saved)
        unknown = set(raw) - set(type(step).model_fields)
        assert {name: saved[name] for name in unknown} == {name: raw[name] for name in unknown}


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_upload_is_imported_or_refused(data: bytes) -> None:
    with contextlib.suppress(ImportRefused):
        imported = import_flow(data)
        assert len(imported.task.path) + len(imported.problems) >= 1
