"""Pages of terminals: one alone in a tab, what a share link shows, the replay, and the frame for xterm.js."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from bg_runner.errors import ShareUnknown
from bg_runner.terminals.session import TerminalSession
from bg_runner.web.caller import caller_of
from bg_runner.web.i18n import catalogue
from bg_runner.web.services import Services


def create_terminal_pages(services: Services) -> Blueprint:
    """Every page raises TerminalNotFound or ShareUnknown, which become the page for what is not there."""
    pages = Blueprint("terminal_pages", __name__)
    _add_own(pages, services)
    _add_shared(pages, services)
    return pages


def _add_own(pages: Blueprint, services: Services) -> None:
    def session_of(terminal_id: str) -> TerminalSession:
        return services.terminals.get(terminal_id, caller_of(request.environ["asgi.scope"]).user)

    @pages.get("/t/<terminal_id>")
    def alone(terminal_id: str) -> str:
        return _page("terminal.html", session_of(terminal_id))

    @pages.get("/t/<terminal_id>/frame")
    def frame(terminal_id: str) -> str:
        return _page("terminal_frame.html", session_of(terminal_id))

    @pages.get("/t/<terminal_id>/replay")
    def replay(terminal_id: str) -> str:
        return _page("terminal_replay.html", session_of(terminal_id))


def _add_shared(pages: Blueprint, services: Services) -> None:
    """The link's secret has been checked (asgi.py); the owner may look at these pages as well."""

    def session_of(share_id: str) -> TerminalSession:
        share = services.shares.get(share_id)
        if share is None:
            raise ShareUnknown("there is no such share link")
        return services.terminals.get(share.terminal_id, share.user)

    @pages.get("/share/<share_id>")
    def shared(share_id: str) -> str:
        return _page("terminal.html", session_of(share_id), share_id)

    @pages.get("/share/<share_id>/frame")
    def shared_frame(share_id: str) -> str:
        return _page("terminal_frame.html", session_of(share_id), share_id)


def _page(template: str, session: TerminalSession, share_id: str = "") -> str:
    return render_template(template, terminal_id=session.id, name=session.name, share_id=share_id, messages=catalogue())
