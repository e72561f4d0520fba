"""REST for terminals (seed 001), under /api/terminals. On the event loop: several of these routes wait."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bg_runner.errors import InvalidField, InvalidInput, TooLarge
from bg_runner.terminals.manager import signal_number
from bg_runner.terminals.processes import Killed
from bg_runner.terminals.record import NewTerminal
from bg_runner.terminals.session import TerminalSession
from bg_runner.web import terminal_schemas as schemas
from bg_runner.web.caller import caller_of
from bg_runner.web.services import Services
from bg_runner.web.sessions_api import SessionsApi
from bg_runner.web.terminal_output import OutputApi
from bg_runner.web.terminal_requests import TerminalRequests, as_json, read_body
from bg_runner.web.terminal_shares import SharesApi

PREFIX = "/api/terminals"
ONE = f"{PREFIX}/{{terminal_id}}"
SESSIONS = "/api/v1/terminal"


def terminal_routes(services: Services) -> list[Route]:
    """Every REST route of terminals."""
    requests = TerminalRequests(services)
    api, output = TerminalsApi(requests), OutputApi(requests)
    shares, sessions = SharesApi(requests), SessionsApi(requests)
    return [
        requests.route(PREFIX, get=api.list, post=api.create),
        requests.route(ONE, get=api.describe, patch=api.update, delete=api.remove),
        requests.route(f"{ONE}/input", post=api.input),
        requests.route(f"{ONE}/resize", post=api.resize),
        requests.route(f"{ONE}/kill", post=api.kill),
        requests.route(f"{ONE}/run-again", post=api.run_again),
        requests.route(f"{ONE}/usage", get=api.usage),
        requests.route(f"{ONE}/output", get=output.output),
        requests.route(f"{ONE}/stats", get=output.stats),
        requests.route(f"{ONE}/screen", get=output.screen),
        requests.route(f"{ONE}/recording", get=output.recording),
        requests.route(f"{ONE}/shares", get=shares.list, post=shares.create),
        requests.route(f"{ONE}/shares/{{share_id}}", delete=shares.revoke),
        requests.route(f"{SESSIONS}/sessions", get=sessions.list),
        requests.route(f"{SESSIONS}/session/{{terminal_id}}/status", get=sessions.status),
    ]


def terminal_of(session: TerminalSession) -> schemas.Terminal:
    """A terminal as the API describes it."""
    ended, progress = session.record.ended, session.progress
    return schemas.Terminal(
        terminal_id=session.id,
        name=session.name,
        group=session.group,
        shell=session.record.shell,
        command=session.record.request.command,
        cwd=session.cwd,
        pid=session.pid if session.is_running else None,
        rows=session.rows,
        cols=session.cols,
        title=session.title,
        status=session.state,
        exit_code=ended.code if ended else None,
        signal=ended.signal if ended else None,
        lost_reason=(ended.reason or None) if ended else None,
        created=session.created,
        last_activity=_time(session.last_activity),
        ended_at=_time(ended.at) if ended else None,
        connected_clients=len(session.clients),
        running_in_background=session.running_in_background,
        size_owner=session.size_owner,
        cursor=session.cursor,
        progress=schemas.Progress(**progress) if progress else None,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def _receipt(killed: Killed) -> Response:
    data = schemas.Ended(ended=killed.ended, survivors=killed.survivors, seconds=killed.seconds)
    return as_json(schemas.EndedAnswer(data=data))


class TerminalsApi:
    """One method for each operation; what they raise is in terminal_operations.py."""

    def __init__(self, requests: TerminalRequests) -> None:
        self._requests = requests
        self._manager = requests.services.terminals
        self._max_input = requests.services.settings.max_input_bytes

    async def list(self, request: Request) -> Response:
        found = [terminal_of(session) for session in self._manager.list(caller_of(request.scope).user)]
        return as_json(schemas.TerminalListAnswer(data=schemas.TerminalList(terminals=found, total=len(found))))

    async def create(self, request: Request) -> Response:
        wanted = await read_body(request, schemas.CreateRequest)
        session = await self._manager.create(NewTerminal(**wanted.model_dump()), caller_of(request.scope).user)
        return _described(session)

    async def describe(self, request: Request) -> Response:
        return _described(self._requests.session(request))

    async def update(self, request: Request) -> Response:
        session = self._requests.session(request)
        wanted = await read_body(request, schemas.UpdateRequest)
        await self._manager.update(session, name=wanted.name, group=wanted.group)
        return _described(session)

    async def input(self, request: Request) -> Response:
        session = self._requests.session(request)
        wanted = await read_body(request, schemas.InputRequest)
        await session.write(self._typed(wanted))
        return as_json(schemas.InputAnswer())

    def _typed(self, wanted: schemas.InputRequest) -> bytes:
        """What is typed for a request (seed 001, section 1). Raises: InvalidInput, TooLarge."""
        text = wanted.input
        if not text:
            raise InvalidInput("Input is required")
        if not wanted.raw:
            if "\0" in text:
                raise InvalidInput("the input has a NUL character; as a key (Ctrl-Space) it needs raw: true")
            text = text if text.endswith(("\n", "\r")) else f"{text}\n"
        data = text.encode()
        if len(data) > self._max_input:
            hint = "Send it in parts, or raise BG_RUNNER_MAX_INPUT_BYTES."
            raise TooLarge(f"one input may have {self._max_input} bytes", hint=hint)
        return data

    async def resize(self, request: Request) -> Response:
        session = self._requests.session(request)
        wanted = await read_body(request, schemas.ResizeRequest)
        await session.resize(wanted.rows, wanted.cols)
        return _described(session)

    async def usage(self, request: Request) -> Response:
        used = await self._manager.usage(self._requests.session(request))
        return as_json(schemas.UsageAnswer(data=schemas.Usage.model_validate(used, from_attributes=True)))

    async def run_again(self, request: Request) -> Response:
        session = self._requests.session(request)
        await read_body(request, schemas.NothingRequest)
        return _described(await self._manager.run_again(session))

    async def kill(self, request: Request) -> Response:
        session = self._requests.session(request)
        wanted = await read_body(request, schemas.EndRequest)
        return _receipt(await self._manager.kill(session, signal_number(wanted.signal)))

    async def remove(self, request: Request) -> Response:
        session = self._requests.session(request)
        in_body = signal_number((await read_body(request, schemas.EndRequest)).signal)
        in_query = signal_number(request.query_params.get("signal", "")[:20] or None)
        if in_body and in_query and in_body != in_query:
            raise InvalidField("signal: the query and the body disagree", fields=[("signal", "given twice")])
        killed = await self._manager.remove(session, in_body or in_query)
        await asyncio.to_thread(self._requests.services.shares.forget_terminal, session.id)
        return _receipt(killed)


def _described(session: TerminalSession) -> Response:
    return as_json(schemas.TerminalAnswer(data=terminal_of(session)))
