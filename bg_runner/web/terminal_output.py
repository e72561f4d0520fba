"""Reading a terminal: by lines, waiting for a line, its screen, its recording. Bounded memory however much it is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bg_runner.errors import InvalidField
from bg_runner.terminals.line_search import LineSearch
from bg_runner.terminals.recording import cast_events
from bg_runner.terminals.session import TerminalSession
from bg_runner.terminals.smart_read import Reading, ReadOptions
from bg_runner.web import terminal_schemas as schemas
from bg_runner.web.asgi_routes import Background
from bg_runner.web.terminal_requests import TerminalRequests, as_json, read_query

LONGEST_WAIT = 60.0
DEFAULT_WAIT = 30.0
LOOK_INTERVAL = 0.4  # how soon a client that left and a server that ends are noticed
GATHER_SECONDS = 0.02  # so that a flood of output is not looked at line by line
CATCH_UP_SECONDS = 2.0
AT_ONCE = 1 << 20


class OutputApi:
    """What the methods raise is in terminal_operations.py."""

    def __init__(self, requests: TerminalRequests) -> None:
        self._requests = requests
        self._background = Background()

    async def output(self, request: Request) -> Response:
        session = self._requests.session(request)
        query = read_query(request.query_params, schemas.OutputQuery)
        if query.timeout is not None and query.wait_for is None:
            raise InvalidField("timeout: only together with wait_for", fields=[("timeout", "only with wait_for")])
        search = LineSearch(session.lines, query.wait_for, query.since) if query.wait_for is not None else None
        await self._check_since(session, query.since)
        more: dict[str, Any] = {}
        if search is not None:
            found = await self._wait(request, session, search, query.timeout)
            more = {"matched": found is not None, "matchedLine": found}
        options = ReadOptions(**query.model_dump(include=set(ReadOptions.model_fields), by_alias=False))
        parts = await self._background(partial(_Parts, session, options, more))
        if parts.is_whole:
            return Response(parts.begin, media_type="application/json")
        return StreamingResponse(self._streamed(parts.begin, parts.rest), media_type="application/json")

    async def _check_since(self, session: TerminalSession, since: int | None) -> None:
        """Raises: InvalidField for a line that is not even begun."""
        if not since:
            return
        window = await self._background(session.lines.window)
        if since > window.total:
            told = f"there are {window.total} lines so far; go on with the last answer's nextReadFrom"
            raise InvalidField(f"since: {told}", fields=[("since", told)])

    async def _wait(
        self, request: Request, session: TerminalSession, search: LineSearch, timeout: float | None
    ) -> str | None:
        """The first line that matches, as soon as it is there; None when the time is up or nothing more can come."""
        deadline = time.monotonic() + min(DEFAULT_WAIT if timeout is None else timeout, LONGEST_WAIT)
        while True:
            cursor, was_running = session.cursor, session.is_running
            found = await self._background(search.look)
            if found is not None or not was_running:
                return found
            while True:
                left = deadline - time.monotonic()
                if left <= 0 or self._requests.services.exiting() or await request.is_disconnected():
                    return None
                if await session.wait_output(cursor, min(left, LOOK_INTERVAL)) or not session.is_running:
                    break
            await asyncio.sleep(GATHER_SECONDS)

    async def stats(self, request: Request) -> Response:
        found = await self._background(self._requests.session(request).lines.stats)
        return as_json(schemas.BufferStatsAnswer(data=schemas.BufferStats.model_validate(found, from_attributes=True)))

    async def screen(self, request: Request) -> Response:
        session = self._requests.session(request)
        await self._catch_up(session)
        screen = await session.screen()
        data = schemas.ScreenText(
            text="\n".join(line.rstrip(" ") for line in screen.lines).rstrip("\n"),
            rows=session.rows,
            cols=session.cols,
            cursor=schemas.ScreenCursor(row=screen.row, col=screen.col, visible=screen.cursor_visible),
            alternate=screen.alternate,
            title=screen.title,
        )
        return as_json(schemas.ScreenAnswer(data=data))

    async def _catch_up(self, session: TerminalSession) -> None:
        """Wait until the session knows all that the log has: who has read a line also sees it on the screen."""
        end = (await self._background(session.lines.window)).cursor
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while session.cursor < end and session.is_running and time.monotonic() < deadline:
            await session.wait_output(session.cursor, deadline - time.monotonic())

    async def recording(self, request: Request) -> Response:
        session = self._requests.session(request)
        query = read_query(request.query_params, schemas.RecordingQuery)
        events = cast_events(
            session.directory,
            title=session.name or session.title,
            env={"TERM": "xterm-256color", "SHELL": session.record.shell},
            width=session.cols,
            height=session.rows,
        )
        begin = await self._background(partial(next, events, b""))
        headers = {}
        if not query.inline:
            name = quote(f"{session.name or session.id}.cast", safe="")
            headers["content-disposition"] = f"attachment; filename*=UTF-8''{name}"
        return StreamingResponse(self._streamed(begin, events), media_type="application/x-asciicast", headers=headers)

    async def _streamed(self, begin: bytes, rest: Iterator[bytes]) -> AsyncIterator[bytes]:
        piece = begin
        while piece:
            yield piece
            piece = await self._background(partial(next, rest, b""))


class _Parts:
    """An output's JSON in pieces: what fits into one answer was read at once (`is_whole`), else `rest` goes on."""

    def __init__(self, session: TerminalSession, options: ReadOptions, more: dict[str, Any]) -> None:
        """Reads; blocks. Raises: OSError."""
        reading = session.lines.reading(options)
        self.rest = _json_pieces(reading, {"status": session.state, **more})
        self.is_whole = False
        gathered = bytearray()
        while len(gathered) < AT_ONCE:
            piece = next(self.rest, b"")
            if not piece:
                self.is_whole = True
                break
            gathered += piece
        self.begin = bytes(gathered)


def _json_pieces(reading: Reading, more: dict[str, Any]) -> Iterator[bytes]:
    """The answer (schemas.OutputAnswer) piece by piece, none empty: the text first, what is said about it last."""
    yield b'{"success":true,"data":{"output":"'
    for text in reading.pieces():
        if text:
            yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
    result = reading.result()
    described = {
        "totalLines": result.total_lines,
        "nextReadFrom": result.next_read_from,
        "hasMore": result.has_more,
        "truncated": result.truncated,
        "stats": {
            "totalBytes": result.stats.total_bytes,
            "estimatedTokens": result.stats.estimated_tokens,
            "linesShown": result.stats.lines_shown,
            "linesOmitted": result.stats.lines_omitted,
        },
        "oldestLine": result.oldest_line,
        "linesLost": result.lines_lost,
        "shownFrom": result.shown_from,
        "incomplete": result.incomplete,
        "cursor": result.cursor,
        **more,
    }
    yield f'",{json.dumps(described, ensure_ascii=False)[1:]}}}'.encode()
