"""Pieces of the terminal API that need no terminal: queries, signals, the rate limit, the two shapes of errors."""

from __future__ import annotations

import json

import pytest

from bg_runner.errors import InvalidField, TerminalNotFound, TooMany
from bg_runner.terminals.manager import signal_number
from bg_runner.web.answers import error_body, error_bytes
from bg_runner.web.rate import REMEMBERED, RateLimit
from bg_runner.web.terminal_requests import read_query
from bg_runner.web.terminal_schemas import OutputQuery


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    limit = RateLimit(2.0, 4.0, clock)
    for _ in range(4):
        limit.take("me")
    with pytest.raises(TooMany) as caught:
        limit.take("me")
    assert caught.value.retry_after == pytest.approx(0.5)
    limit.take("somebody else")
    clock.now += 0.5
    limit.take("me")
    with pytest.raises(TooMany):
        limit.take("me")
    clock.now += 1000
    for _ in range(4):
        limit.take("me")
    with pytest.raises(TooMany):
        limit.take("me")


def test_being_refused_costs_nothing() -> None:
    clock = Clock()
    limit = RateLimit(1.0, 1.0, clock)
    limit.take("me")
    for _ in range(100):
        with pytest.raises(TooMany):
            limit.take("me")
    clock.now += 1.0
    limit.take("me")


def test_many_callers_do_not_fill_the_memory() -> None:
    limit = RateLimit(1.0, 1.0, Clock())
    for number in range(REMEMBERED + 100):
        limit.take(number)
    assert len(limit._left) == REMEMBERED


def test_an_empty_query_is_the_seeds_default() -> None:
    query = read_query({"since": "", "mode": ""}, OutputQuery)
    assert (query.since, query.mode, query.max_lines) == (None, "full", 1000)
    assert (query.head_lines, query.tail_lines) == (50, 50)
    assert (query.ansi, query.wait_for, query.timeout) == (False, None, None)


def test_a_query_is_read() -> None:
    given = {"since": "7", "mode": "head-tail", "headLines": "0", "tailLines": "3", "maxLines": "5", "ansi": "true"}
    query = read_query({**given, "wait_for": "a+", "timeout": "0.5", "_": "1"}, OutputQuery)
    assert query.model_dump() == {
        "since": 7,
        "mode": "head-tail",
        "head_lines": 0,
        "tail_lines": 3,
        "max_lines": 5,
        "ansi": True,
        "wait_for": "a+",
        "timeout": 0.5,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("since", value) for value in ("abc", "-1", "+1", " 1", "1 ", "1.0", "1e3", "1_0", "0x1", "NaN", "٣")],
        ("since", "9" * 20),
        ("since", str(10**15 + 1)),
        ("headLines", "-1"),
        ("tailLines", "1000001"),
        ("maxLines", "0"),
        ("mode", "everything"),
        ("mode", "FULL"),
        ("ansi", "maybe"),
        *[("timeout", value) for value in ("abc", "-1", "nan", "inf", "1e3", "1.2.3")],
    ],
)
def test_a_wrong_query_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidField) as caught:
        read_query({name: value}, OutputQuery)
    assert [field for field, _ in caught.value.fields] == [name]


@pytest.mark.parametrize(("given", "number"), [("SIGTERM", 15), ("term", 15), ("15", 15), (9, 9), (None, None)])
def test_signals(given: str | int | None, number: int | None) -> None:
    assert signal_number(given) == number


@pytest.mark.parametrize("given", ["", "SIGNONE", "0", "-9", 0, -1, 1000, "SIG", "9.0", "９"])
def test_what_is_no_signal(given: str | int) -> None:
    with pytest.raises(InvalidField):
        signal_number(given)


def test_errors_of_the_two_apis() -> None:
    error = TerminalNotFound("there is no terminal with this id")
    assert error_body(error, "/api/terminals/x") == {
        "success": False,
        "error": {"code": "TERMINAL_NOT_FOUND", "message": error.message, "hint": error.hint},
    }
    seed_002 = json.loads(error_bytes(error, "/api/v1/terminal/session/x/status"))
    assert set(seed_002) == {"error", "message", "code", "timestamp"}
    assert (seed_002["error"], seed_002["code"]) == ("terminal_not_found", 404)
    assert seed_002["timestamp"].endswith("Z")
    assert "success" in error_body(error, "/api/v1/terminals")
