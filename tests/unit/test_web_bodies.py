"""Bodies of requests: whatever arrives becomes a model or an expected error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from bg_runner.errors import InvalidField, InvalidRequest, MalformedJson, UrlRefused, WrongContentType
from bg_runner.web import schemas
from bg_runner.web.bodies import field_name, parse

JSON = "application/json"


def read(body: bytes, model: type[BaseModel] = schemas.StartRequest, content_type: str = JSON) -> BaseModel:
    return parse(model, body, content_type)


def read_tasks(*tasks: dict[str, Any]) -> BaseModel:
    return read(json.dumps({"tasks": tasks}).encode(), schemas.SaveTasksRequest)


def status_of(body: bytes, model: type[BaseModel]) -> int:
    """What a client would get: 200 for a model, the status of an expected error; any other error fails the test."""
    try:
        return 200 if isinstance(read(body, model), model) else 500
    except InvalidRequest as error:
        return error.status


def test_no_body_is_an_empty_object() -> None:
    assert read(b"", content_type="") == schemas.StartRequest()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe{}",
        b"\x00",
        b'{"auto_generate": true} trailing',
        b'{"auto_generate": true, "auto_generate": false}',
        b'{"task_indices": [NaN]}',
        b'{"task_indices": [Infinity]}',
        b'{"task_indices": [1e999]}',
        b'{"session_id": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' * 150 + b"1" + b"}" * 150,
        b'{"n": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_one_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedJson) as caught:
        read(body)
    assert len(caught.value.message) < 500
    assert caught.value.message.isascii()


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
)
def test_only_json_in_utf8_is_taken(kind: str) -> None:
    with pytest.raises(WrongContentType):
        read(b"{}", content_type=kind)


@pytest.mark.parametrize(
    "kind", [JSON, "Application/JSON", "application/json; charset=UTF-8", "application/problem+json"]
)
def test_json_has_several_names(kind: str) -> None:
    assert read(b"{}", content_type=kind) == schemas.StartRequest()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"task_indexes": [0]}, "task_indexes"),
        ({"task_indices": ["0"]}, "task_indices.0"),
        ({"task_indices": [True]}, "task_indices.0"),
        ({"task_indices": [0.5]}, "task_indices.0"),
        ({"task_indices": 1}, "task_indices"),
        ({"auto_generate": "yes"}, "auto_generate"),
        ({"ignore_completed": 1}, "ignore_completed"),
        ({"from": "beginning"}, "from"),
        ({"from_": "failed"}, "from_"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        read(json.dumps(body).encode())
    assert [path for path, _ in caught.value.fields] == [field]
    assert caught.value.message.startswith(f"{field}: ")


def test_a_field_of_a_task_is_named_without_the_union_that_it_is_in() -> None:
    step = {"type": "customStep", "name": "extract", "parameters": {"selectors": ["h1"]}}
    with pytest.raises(InvalidField) as caught:
        read_tasks(
            {"kind": "shell"},
            {"kind": "shell", "command": "x", "shell": 1},
            {"kind": "browser", "path": [{"type": "click"}, step]},
            {"command": "no kind"},
            {"kind": "shell", "command": "x", "env": {"A": {"secret": "not a name"}}},
        )
    assert {path for path, _ in caught.value.fields} >= {
        "tasks.0.command",
        "tasks.1.shell",
        "tasks.2.path.0.selectors",
        "tasks.2.path.1.parameters.name",
        "tasks.3",
    }
    assert not any("browser" in path or "customStep" in path for path, _ in caught.value.fields)


def test_a_step_inside_a_list_keeps_its_own_names() -> None:
    assert field_name(("tasks", 0, "shell", "shell")) == "tasks.0.shell"
    assert field_name(("path", 3, "click", "assertedEvents", 0, "type")) == "path.3.assertedEvents.0.type"


def test_a_value_is_never_repeated_in_an_error() -> None:
    with pytest.raises(InvalidField) as caught:
        read(b'{"value": 12345678901234567890}', schemas.SecretRequest)
    assert "1234567890" not in caught.value.message


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "javascript:alert(1)", "//host", "http://", "ftp://host/x", "host"]
)
def test_an_address_that_is_not_http_has_its_own_error(url: str) -> None:
    with pytest.raises(UrlRefused, match=r"tasks\.0\.start_url"):
        read_tasks({"kind": "browser", "start_url": url})


@given(st.binary(max_size=200))
@example(b'{"tasks": [{"kind": "shell", "command": "a\\u0000b"}]}')
@example(b'{"tasks": [{"kind": "shell", "command": "x", "timeout": 1e400}]}')
def test_any_bytes_are_a_model_or_an_expected_error(body: bytes) -> None:
    for model in (schemas.StartRequest, schemas.SaveTasksRequest, schemas.ImportRequest):
        assert status_of(body, model) in (200, 400, 422)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "path", "type", "x"]), inner),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=3))
def test_any_json_as_a_task_list_is_a_model_or_an_expected_error(tasks: list[object]) -> None:
    assert status_of(json.dumps({"tasks": tasks}).encode(), schemas.SaveTasksRequest) in (200, 400, 422)
