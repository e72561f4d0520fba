"""No credential reaches a log, whoever writes it."""

from __future__ import annotations

import io
import logging

import pytest

from bg_runner.web.access_log import MaskingFilter, MaskingFormatter, log_request, mask

SECRET = "s3cret-Value_of.it"


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(stream: io.StringIO) -> logging.Logger:
    """A logger of somebody else, below a root like the server's."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(MaskingFilter())
    handler.setFormatter(MaskingFormatter("%(name)s [%(request_id)s] %(message)s"))
    made = logging.Logger("uvicorn.error")
    made.addHandler(handler)
    return made


@pytest.mark.parametrize(
    "text",
    [
        f"GET /s/x?token={SECRET}&a=1",
        f"GET /login?code={SECRET} HTTP/1.1",
        f"Authorization: Bearer {SECRET}",
        f"authorization: bearer  {SECRET}",
        f"Cookie: auth_token_8000={SECRET}; lang=en",
        f'"WebSocket /x?a=1&token={SECRET}" [accepted]',
        f"{{'Authorization': 'Bearer {SECRET}'}}",
        f"[('token={SECRET}')]",
    ],
)
def test_credentials_are_hidden_by_what_stands_before_them(
    logger: logging.Logger, stream: io.StringIO, text: str
) -> None:
    logger.warning("%s", text)
    logger.warning(text.replace("%", "%%"))
    assert SECRET not in stream.getvalue()
    assert stream.getvalue().count("***") == 2


def test_a_traceback_is_masked_too(logger: logging.Logger, stream: io.StringIO) -> None:
    try:
        raise ValueError(f"no host in /x?token={SECRET}")
    except ValueError:
        logger.exception("failed")
    assert SECRET not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def test_the_token_itself_is_hidden_wherever_it_stands(
    logger: logging.Logger, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask, "values", {SECRET})
    logger.warning("the argument was %s, odd", SECRET)
    assert "the argument was ***, odd" in stream.getvalue()


def test_other_lines_stay_as_they_are(logger: logging.Logger, stream: io.StringIO) -> None:
    logger.warning("status=%d for %s", 200, "bearer of news")
    assert "status=200 for" in stream.getvalue()


def test_a_look_is_logged_for_debugging_only_and_a_change_always(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="bg_runner.access"):
        log_request("GET", "/a", 200, 0.001, "1.2.3.4")
        log_request("GET", "/b", 404, 0.001, "1.2.3.4")
        log_request("POST", "/c\r\nfaked", 200, 0.001, "1.2.3.4")
    assert [record.levelno for record in caplog.records] == [logging.DEBUG, logging.INFO, logging.INFO]
    assert "/c\\r\\nfaked" in caplog.records[2].getMessage()
