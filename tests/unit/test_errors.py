"""Every error code is documented, and the envelope is always the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bg_runner.errors import (
    AlreadyRunning,
    BgRunnerError,
    InvalidField,
    MethodNotAllowed,
    StartupError,
    TaskFailure,
    TooMany,
    Unauthorized,
    every_error,
)
from bg_runner.web.answers import error_bytes, error_headers, wants_page

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
HTTP_ROW = re.compile(r"^\| `([A-Z_]+)` \| (\d{3}) \| (.+?) \| (.*) \|$", re.MULTILINE)
OTHER_ROW = re.compile(r"^\| `([A-Z_]+)` \| ([^\d|][^|]*) \| ([^|]*) \|$", re.MULTILINE)
FAILURES = {code: error for code, error in every_error().items() if issubclass(error, TaskFailure | StartupError)}
ANSWERS = {code: error for code, error in every_error().items() if code not in FAILURES}


def test_the_page_lists_exactly_the_answers_to_requests_with_their_status() -> None:
    assert {code: int(status) for code, status, _, _ in HTTP_ROW.findall(PAGE)} == {
        code: error.status for code, error in ANSWERS.items()
    }


def test_the_page_lists_exactly_the_failures_of_tasks_and_of_the_command_line() -> None:
    assert {code for code, _, _ in OTHER_ROW.findall(PAGE)} == set(FAILURES)


@pytest.mark.parametrize("code", sorted(every_error()))
def test_the_page_repeats_the_hint(code: str) -> None:
    hints = {code: hint for code, _, _, hint in HTTP_ROW.findall(PAGE)} | {
        code: hint for code, _, hint in OTHER_ROW.findall(PAGE)
    }
    assert hints[code].strip() == every_error()[code].default_hint


def test_codes_are_unique() -> None:
    def classes(root: type[BgRunnerError]) -> list[type[BgRunnerError]]:
        return [cls for sub in root.__subclasses__() for cls in (sub, *classes(sub))]

    codes = [cls.code for cls in set(classes(BgRunnerError)) if "code" in cls.__dict__]
    assert sorted(codes) == sorted(set(codes))


def test_the_envelope() -> None:
    assert json.loads(error_bytes(AlreadyRunning("it runs"))) == {
        "success": False,
        "error": {
            "code": "ALREADY_RUNNING",
            "message": "it runs",
            "hint": "Wait for the run to end or stop it first.",
        },
    }


def test_a_field_error_lists_its_fields() -> None:
    error = InvalidField("x: too small", fields=[("x", "too small")], hint="")
    assert json.loads(error_bytes(error))["error"] == {
        "code": "INVALID_FIELD",
        "message": "x: too small",
        "hint": "",
        "fields": [{"path": "x", "message": "too small"}],
    }


def test_an_envelope_survives_whatever_a_client_sent() -> None:
    assert json.loads(error_bytes(AlreadyRunning("lone \udc80 surrogate")))["error"]["code"] == "ALREADY_RUNNING"


def test_headers_beside_the_body() -> None:
    assert error_headers(TooMany("slow", retry_after=1.2)) == [("retry-after", "2")]
    assert error_headers(MethodNotAllowed("no", allowed=["PUT", "GET"])) == [("allow", "GET, PUT")]
    assert error_headers(Unauthorized("no"))[0][0] == "www-authenticate"
    assert error_headers(AlreadyRunning("no")) == []


@pytest.mark.parametrize(
    ("path", "accept", "page"),
    [
        ("/", "text/html,*/*", True),
        ("/s/x", "text/html", True),
        ("/s/x", "*/*", False),
        ("/api/health", "text/html", False),
        ("/openapi.json", "text/html", False),
        ("/docs", "text/html", True),
    ],
)
def test_people_get_pages_and_programs_get_json(path: str, accept: str, page: bool) -> None:
    assert wants_page(path, accept) is page
