"""The Flask app inside the outer layer: pages and the REST API, with one error handler for both."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response as WerkzeugResponse

from bg_runner.errors import BgRunnerError, InternalError, InvalidRequest, MethodNotAllowed, NotFound
from bg_runner.settings import PROJECT, in_checkout
from bg_runner.web.answers import error_bytes, error_headers, wants_page
from bg_runner.web.auth import Door
from bg_runner.web.background_task_api import create_api
from bg_runner.web.i18n import set_up_languages
from bg_runner.web.pages import create_pages, error_page
from bg_runner.web.server_api import create_server_api
from bg_runner.web.services import Services
from bg_runner.web.terminal_pages import create_terminal_pages

log = logging.getLogger(__name__)
PACKAGE = Path(__file__).resolve().parent.parent
# What the login page loads. Everything else under /static/ needs a login like every other address.
LOGIN_ASSETS = frozenset(
    f"/static/{name}"
    for name in (
        "favicon.svg",
        "css/tokens.css",
        "css/base.css",
        "css/controls.css",
        "js/theme.js",
        "js/login.js",
    )
)


def pages_dir(name: str) -> Path:
    """`templates` or `static`: at the top of a checkout, inside the package when installed."""
    return (PROJECT if in_checkout() else PACKAGE) / name


def create_app(services: Services, door: Door) -> Flask:
    """The Flask app. It trusts its caller: credentials, Host, Origin and sizes are checked in asgi.py."""
    app = Flask(
        "bg_runner",
        root_path=str(PACKAGE),
        template_folder=str(pages_dir("templates")),
        static_folder=str(pages_dir("static")),
        static_url_path="/static",
    )
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_body_bytes
    app.jinja_options = {"autoescape": True}
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    set_up_languages(app)
    app.register_blueprint(create_api(services))
    app.register_blueprint(create_server_api(services, door))
    app.register_blueprint(create_pages(services, door))
    app.register_blueprint(create_terminal_pages(services))
    app.before_request(_raise_outer_error)
    app.register_error_handler(Exception, _answer_error)
    return app


def _raise_outer_error() -> None:
    """The outer layer refused a page: answer in the person's language (see Outer._refuse)."""
    error = request.environ.get("asgi.scope", {}).get("bg_runner.error")
    if error is not None:
        g.refused = True
        raise error


def _answer_error(error: Exception) -> WerkzeugResponse:
    if isinstance(error, RequestRedirect):
        return error.get_response()
    expected = _as_expected(error)
    if expected.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not g.get("refused"):
        log.error("%s %s: %s", request.method, request.path, expected.message)
    if wants_page(request.path, request.headers.get("Accept", "")):
        response = error_page(expected)
    else:
        response = Response(error_bytes(expected, request.path), mimetype="application/json")
    response.status_code = expected.status
    _add_headers(response, error_headers(expected))
    return response


def _as_expected(error: Exception) -> BgRunnerError:
    if isinstance(error, BgRunnerError):
        return error
    if isinstance(error, WerkzeugMethodNotAllowed):
        return MethodNotAllowed(f"{request.method} is not possible here", allowed=error.valid_methods or ())
    if isinstance(error, HTTPException) and error.code == HTTPStatus.NOT_FOUND:
        return NotFound("there is nothing at this address")
    if isinstance(error, HTTPException) and error.code is not None and error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidRequest(error.description or error.name)
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return InternalError("the server failed at this request")


def _add_headers(response: Response, headers: Iterable[tuple[str, str]]) -> None:
    for name, value in headers:
        response.headers[name] = value
