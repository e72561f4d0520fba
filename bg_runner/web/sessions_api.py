"""The two questions of seed 000, under /api/v1/terminal; its WebSocket is in sockets.py."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from bg_runner.terminals.session import TerminalSession
from bg_runner.web import terminal_schemas as schemas
from bg_runner.web.caller import caller_of
from bg_runner.web.terminal_requests import TerminalRequests, as_json


class SessionsApi:
    def __init__(self, requests: TerminalRequests) -> None:
        self._requests = requests

    async def list(self, request: Request) -> Response:
        found = self._requests.services.terminals.list(caller_of(request.scope).user)
        return as_json(schemas.SessionList(sessions=[_row(session) for session in found]))

    async def status(self, request: Request) -> Response:
        session = self._requests.session(request)
        ended = session.record.ended
        return as_json(
            schemas.SessionStatus(
                alive=session.is_running,
                last_activity=session.last_activity,
                connected_clients=len(session.clients),
                running_in_background=session.running_in_background,
                rows=session.rows,
                cols=session.cols,
                pid=session.pid if session.is_running else None,
                state=session.state,
                exit_code=ended.code if ended else None,
                signal=ended.signal if ended else None,
                title=session.title,
            )
        )


def _row(session: TerminalSession) -> schemas.SessionRow:
    return schemas.SessionRow(
        id=session.id,
        name=session.name,
        group=session.group,
        running=session.is_running,
        state=session.state,
        last_activity=session.last_activity,
        rows=session.rows,
        cols=session.cols,
        pid=session.pid if session.is_running else None,
        title=session.title,
        connected_clients=len(session.clients),
        running_in_background=session.running_in_background,
    )
