"""CORS: off by default, for the terminal API alone, for exact origins, and never with cookies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bg_runner.settings import load_settings
from bg_runner.web.cors import Cors

ORIGIN = "https://pages.example"


def cors(tmp_path: Path, origins: str | None) -> Cors:
    return Cors(load_settings(data_dir=tmp_path, cors_origin=origins))


def request(origin: str | None, path: str = "/api/terminals", method: str = "OPTIONS") -> dict[str, Any]:
    headers = [(b"access-control-request-method", b"POST")] if method == "OPTIONS" else []
    if origin is not None:
        headers.append((b"origin", origin.encode("latin-1")))
    return {"type": "http", "method": method, "path": path, "headers": headers}


def names(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return dict(headers)


def test_it_is_off_by_default(tmp_path: Path) -> None:
    off = cors(tmp_path, None)
    assert off.preflight(request(ORIGIN)) is None
    assert off.headers(request(ORIGIN)) == []
    assert not off.allows(request(ORIGIN))


@pytest.mark.parametrize("path", ["/api/terminals", "/api/terminals/x/output", "/api/v1/terminal/sessions"])
def test_a_named_origin_is_allowed(tmp_path: Path, path: str) -> None:
    on = cors(tmp_path, f"http://other.example:3000, {ORIGIN}/")
    answer = on.preflight(request(ORIGIN, path))
    assert answer is not None
    assert answer.status_code == 204
    preflight = names(answer.raw_headers)
    assert b"authorization" in preflight[b"access-control-allow-headers"]
    assert b"DELETE" in preflight[b"access-control-allow-methods"]
    headers = names(on.headers(request(ORIGIN, path, "GET")))
    assert headers[b"access-control-allow-origin"] == ORIGIN.encode()
    assert headers[b"vary"] == b"origin"
    assert on.allows(request(ORIGIN, path, "GET"))


@pytest.mark.parametrize(
    ("origin", "path"),
    [
        (None, "/api/terminals"),
        ("null", "/api/terminals"),
        ("https://evil.example", "/api/terminals"),
        ("http://pages.example", "/api/terminals"),
        ("https://pages.example:8443", "/api/terminals"),
        ("https://pages.example.evil.example", "/api/terminals"),
        ("https://xpages.example", "/api/terminals"),
        (f"{ORIGIN},{ORIGIN}", "/api/terminals"),
        ("https://pages.example\xff", "/api/terminals"),
        (ORIGIN, "/api/terminalsx"),
        (ORIGIN, "/api/background_task/status"),
        (ORIGIN, "/api/link"),
        (ORIGIN, "/"),
    ],
)
def test_nobody_else_is(tmp_path: Path, origin: str | None, path: str) -> None:
    on = cors(tmp_path, ORIGIN)
    assert on.preflight(request(origin, path)) is None
    assert b"access-control-allow-origin" not in names(on.headers(request(origin, path, "GET")))
    assert not on.allows(request(origin, path, "GET"))


def test_an_origin_given_twice_is_none(tmp_path: Path) -> None:
    twice = request(ORIGIN, method="GET")
    twice["headers"].append((b"origin", ORIGIN.encode()))
    assert not cors(tmp_path, ORIGIN).allows(twice)


def test_plain_options_is_no_preflight(tmp_path: Path) -> None:
    plain = request(ORIGIN)
    plain["headers"] = plain["headers"][1:]
    assert cors(tmp_path, ORIGIN).preflight(plain) is None


@pytest.mark.parametrize("origins", [ORIGIN, "*"])
def test_cookies_are_never_allowed(tmp_path: Path, origins: str) -> None:
    on = cors(tmp_path, origins)
    answer = on.preflight(request(ORIGIN))
    assert answer is not None
    sent = names([*answer.raw_headers, *on.headers(request(ORIGIN, method="GET"))])
    assert b"access-control-allow-credentials" not in sent
    assert sent[b"access-control-allow-origin"] == (b"*" if origins == "*" else ORIGIN.encode())


@pytest.mark.parametrize("origins", ["example.org", "https://a.example/path", "ftp://a", "https://a.example b", "null"])
def test_what_is_no_origin_keeps_the_server_from_starting(tmp_path: Path, origins: str) -> None:
    with pytest.raises(ValidationError, match="cors_origin"):
        cors(tmp_path, origins)
