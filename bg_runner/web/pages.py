"""Pages for people: the workspace, the login, the language switch, the demo site, the API's documentation."""

from __future__ import annotations

from typing import cast

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    send_from_directory,
)
from flask_babel import gettext as _
from werkzeug.wrappers import Response as WerkzeugResponse

from bg_runner.errors import BgRunnerError, SessionUnknown, Unauthorized
from bg_runner.web.auth import Door
from bg_runner.web.bodies import parse
from bg_runner.web.i18n import COOKIE, LANGUAGES, catalogue
from bg_runner.web.openapi import describe_api
from bg_runner.web.schemas import LoginRequest
from bg_runner.web.services import Services
from bg_runner.web.session import check_session_id
from bg_runner.web.urls import own_path

YEAR = 365 * 86400


def error_page(error: BgRunnerError) -> Response:
    """The page for an error; the caller sets the status. Who lacks a login gets the login page."""
    if error.status in (401, 429):
        came_from = own_path(request.full_path.rstrip("?"))
        following = "/" if request.path in ("/login", "/logout", "/lang") else came_from
        shown = None if isinstance(error, Unauthorized) and request.path != "/login" else error
        return make_response(render_template("login.html", code=None, next=following, error=shown))
    template = "404.html" if error.status == 404 else "error.html"
    return make_response(
        render_template(template, code=error.code, message=error.message, hint=error.hint, status=error.status)
    )


def create_pages(services: Services, door: Door) -> Blueprint:
    pages = Blueprint("pages", __name__)
    _add_workspace(pages, services)
    _add_login(pages, door)
    _add_extras(pages, door)
    return pages


def _add_workspace(pages: Blueprint, services: Services) -> None:
    @pages.get("/")
    def home() -> WerkzeugResponse:
        if request.method == "HEAD":  # looking makes nothing
            return Response()
        return redirect(f"/s/{services.manager.create_session()}", 303)

    @pages.get("/s/<session_id>")
    def workspace(session_id: str) -> WerkzeugResponse:
        checked = check_session_id(session_id)
        if not services.manager.has_session(checked):
            raise SessionUnknown("there is no workspace at this address")
        if checked != session_id:
            return redirect(f"/s/{checked}", 303)
        page = render_template(
            "workspace.html",
            session_id=checked,
            poll_interval=services.settings.poll_interval,
            messages=catalogue(),
        )
        return make_response(page)


def _add_login(pages: Blueprint, door: Door) -> None:
    @pages.get("/login")
    def login_page() -> str:
        """Only shows a form: a preview of the link (a chat, a mail scanner) does not use the code up."""
        following = own_path(request.args.get("next", "/"))
        return render_template("login.html", code=request.args.get("code"), next=following, error=None)

    @pages.post("/login")
    def login() -> WerkzeugResponse:
        as_json = request.is_json
        given = parse(LoginRequest, request.get_data(), request.headers.get("Content-Type", "")) if as_json else _form()
        address = request.remote_addr or ""
        if given.token:
            good, problem = door.check_token(given.token, address), _("This is not the token of this server.")
        else:
            good, problem = door.redeem(given.code or "", address), _("This link has been used or is too old.")
        if not good:
            raise Unauthorized(problem)
        response: WerkzeugResponse = (
            Response('{"success":true}', mimetype="application/json")
            if as_json
            else redirect(own_path(given.next), 303)
        )
        response.set_cookie(
            door.cookie_name,
            door.new_cookie(),
            max_age=door.login_ttl,
            httponly=True,
            samesite="Lax",
            secure=door.secure,
        )
        return response

    @pages.post("/logout")
    def logout() -> WerkzeugResponse:
        door.end_cookie(request.cookies.get(door.cookie_name, ""))
        response = redirect("/login", 303)
        response.delete_cookie(door.cookie_name, httponly=True, samesite="Lax", secure=door.secure)
        return response

    @pages.post("/lang")
    def choose_language() -> WerkzeugResponse:
        response = redirect(own_path(request.form.get("next", "/")), 303)
        if (chosen := request.form.get("lang", "")) in LANGUAGES:
            response.set_cookie(COOKIE, chosen, max_age=YEAR, samesite="Lax", secure=door.secure)
        return response


def _form() -> LoginRequest:
    form = request.form
    return LoginRequest(code=form.get("code"), token=form.get("token"), next=form.get("next", "/")[:2000])


def _add_extras(pages: Blueprint, door: Door) -> None:
    @pages.get("/demo/", defaults={"name": "index.html"})
    @pages.get("/demo/<path:name>")
    def demo(name: str) -> WerkzeugResponse:
        return send_from_directory(_static_dir() + "/demo", name + "index.html" if name.endswith("/") else name)

    @pages.get("/favicon.ico")
    def favicon() -> WerkzeugResponse:
        return send_from_directory(_static_dir(), "favicon.svg")

    @pages.get("/openapi.json")
    def openapi() -> dict[str, object]:
        return describe_api(door.cookie_name)

    @pages.get("/docs")
    def docs() -> str:
        return render_template("docs.html")


def _static_dir() -> str:
    return cast(str, current_app.static_folder)
