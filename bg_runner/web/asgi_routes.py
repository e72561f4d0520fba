"""The routes that are hot, wait or stream: on the event loop, so that no number of them fills Flask's threads."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bg_runner.errors import ArtifactUnknown, InvalidField, MethodNotAllowed, TaskUnknown
from bg_runner.runs.models import utc_now
from bg_runner.terminals.output import Chunk, LogReader
from bg_runner.terminals.text import strip_escapes
from bg_runner.web import schemas
from bg_runner.web.doctor import check_server
from bg_runner.web.services import Services
from bg_runner.web.session import session_of

PREFIX = "/api/background_task"
TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ARTIFACT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
MAX_LOG_BYTES = 4 * 1024 * 1024
LOG_BYTES = 256 * 1024
MAX_FOLLOW = 60.0
FOLLOW_INTERVAL = 0.2
STREAM_BYTES = 256 * 1024
READERS = 8
# Shown by every browser as what they are; everything else is only ever downloaded.
SHOWN = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
LONGEST_ESCAPE = 4096
_CUT_OFF = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$")
T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]


class ApiRoute(Route):
    """A route whose wrong methods are answered in the API's shape."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = {"OPTIONS", *(self.methods or ())}
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers={"allow": ", ".join(sorted(allowed))})(scope, receive, send)
        elif scope["method"] not in allowed:
            raise MethodNotAllowed(f"{scope['method']} is not possible here", allowed=allowed)
        else:
            await self.app(scope, receive, send)


class Background:
    """Disk work goes to threads of its own, never onto the event loop."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")

    async def __call__(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)


def asgi_routes(services: Services) -> list[Route]:
    """The routes; everything else goes on to Flask."""
    background = Background()
    return [
        ApiRoute(f"{PREFIX}/status", Status(services, background), methods=["GET"]),
        ApiRoute(f"{PREFIX}/tasks/{{task_id}}/log", _log(services, background)),
        ApiRoute(f"{PREFIX}/artifacts/{{artifact_id}}", _artifact(services, background)),
        ApiRoute("/api/doctor", _doctor(services)),
    ]


def _session(request: Request) -> str:
    return session_of(request.headers.get("x-session-id"), request.query_params.get("session_id"))


class Status:
    """The status route without a framework's objects: polled by every open page, so it is the hottest of all."""

    def __init__(self, services: Services, background: Background) -> None:
        self._manager = services.manager
        self._background = background

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        in_header = known = in_query = None
        for name, value in scope["headers"]:
            if name == b"x-session-id":
                in_header = value.decode("latin-1")
            elif name == b"if-none-match":
                known = value.decode("latin-1")
        if scope["query_string"]:
            in_query = dict(parse_qsl(scope["query_string"].decode("ascii"))).get("session_id")
        session_id = session_of(in_header, in_query)
        snapshot = self._manager.ready_snapshot(session_id)
        if snapshot is None:
            snapshot = await self._background(partial(self._manager.status_snapshot, session_id))
        # Weak: the server's time is in the body and not in the tag.
        etag = f"W/{snapshot.etag}"
        headers = [(b"etag", etag.encode("ascii")), (b"cache-control", b"no-cache")]
        if _matches(known, etag):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        now = utc_now().isoformat().replace("+00:00", "Z").encode("ascii")
        body = b'%b,"server_time":"%b"}' % (snapshot.body[:-1], now)
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _matches(given: str | None, etag: str) -> bool:
    """If-None-Match, by weak comparison."""
    if given is None:
        return False
    return given.strip() == "*" or etag.removeprefix("W/") in [
        part.strip().removeprefix("W/") for part in given.split(",")
    ]


def _log(services: Services, background: Background) -> Endpoint:
    manager = services.manager

    async def log(request: Request) -> Response:
        session_id, task_id = _session(request), request.path_params["task_id"]
        query = request.query_params
        if not TASK_ID.fullmatch(task_id):
            raise TaskUnknown("there is no such task")
        keep_escapes = _flag(query.get("ansi"), "ansi")
        since = _number(query.get("since"), "since", 0, 2**62)
        limit = _number(query.get("limit"), "limit", LOG_BYTES, MAX_LOG_BYTES)
        follow = _seconds(query.get("follow"))
        reader = await background(partial(manager.log_reader, session_id, task_id))
        if _flag(query.get("download"), "download"):
            headers = {"content-disposition": f'attachment; filename="{task_id}.log"'}
            stream = _whole_log(reader, background, keep_escapes=keep_escapes)
            return StreamingResponse(stream, media_type="text/plain; charset=utf-8", headers=headers)

        def look() -> tuple[Chunk, bool]:
            running = manager.is_running(session_id, task_id)  # before reading: what it wrote last is then included
            return reader.read(since, limit), running

        chunk, running = await background(look)
        deadline = time.monotonic() + follow
        while not chunk.data and running and time.monotonic() < deadline and not services.exiting():
            if await request.is_disconnected():
                break
            await asyncio.sleep(FOLLOW_INTERVAL)
            chunk, running = await background(look)
        return _json(schemas.LogAnswer(log=_log_text(chunk, running=running, keep_escapes=keep_escapes)))

    return log


def _log_text(chunk: Chunk, *, running: bool, keep_escapes: bool) -> schemas.LogText:
    data = chunk.data
    if chunk.next < chunk.end or running:  # the rest of a character or a sequence comes with the next answer
        data = data[: presentable(data)] or data
    text = data.decode("utf-8", "replace")
    return schemas.LogText(
        text=text if keep_escapes else strip_escapes(text),
        since=chunk.cursor,
        next=chunk.cursor + len(data),
        oldest=chunk.oldest,
        end=chunk.end,
        running=running,
    )


def presentable(data: bytes) -> int:
    """How many of the bytes are left when a UTF-8 character or an escape sequence cut off at the end is left out."""
    size = whole_characters(data)
    cut_off = _CUT_OFF.search(data, max(0, size - LONGEST_ESCAPE), size)
    return cut_off.start() if cut_off else size


def whole_characters(data: bytes) -> int:
    """How many of the bytes are left when a UTF-8 character cut off at the end is left out."""
    size = len(data)
    for back in range(1, min(4, size) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            length = 1 if byte < 0xC0 or byte > 0xF7 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return size - back if length > back else size
    return size


async def _whole_log(reader: LogReader, background: Background, *, keep_escapes: bool) -> AsyncIterator[bytes]:
    """The log as it is when the download begins; text without escapes is cut at line ends only."""
    cursor, rest = 0, b""
    end = (await background(partial(reader.read, 0, 0))).end
    while cursor < end:
        chunk = await background(partial(reader.read, cursor, min(STREAM_BYTES, end - cursor)))
        if not chunk.data:
            break
        cursor = chunk.next
        if keep_escapes:
            yield chunk.data
            continue
        whole, newline, rest = (rest + chunk.data).rpartition(b"\n")
        yield _plain(whole + newline)
    yield _plain(rest)


def _plain(data: bytes) -> bytes:
    return strip_escapes(data.decode("utf-8", "replace")).encode()


def _artifact(services: Services, background: Background) -> Endpoint:
    async def artifact(request: Request) -> Response:
        session_id, artifact_id = _session(request), request.path_params["artifact_id"]
        if not ARTIFACT_ID.fullmatch(artifact_id):
            raise ArtifactUnknown("there is no such artifact")
        found, path = await background(partial(services.manager.artifact, session_id, artifact_id))
        as_download = found.media_type not in SHOWN or _flag(request.query_params.get("download"), "download")
        kind = "attachment" if as_download else "inline"
        headers = {
            "content-disposition": f"{kind}; filename*=UTF-8''{quote(found.name, safe='')}",
            "cache-control": "private, max-age=86400, immutable",
        }
        media_type = found.media_type if found.media_type in SHOWN else "application/octet-stream"
        return FileResponse(path, media_type=media_type, headers=headers)

    return artifact


def _doctor(services: Services) -> Endpoint:
    async def doctor(_request: Request) -> Response:
        checks = await asyncio.to_thread(check_server, services)
        return _json(schemas.DoctorAnswer(ok=all(check.ok for check in checks), checks=checks))

    return doctor


def _json(answer: schemas.Answer) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")


def _number(text: str | None, name: str, default: int, most: int) -> int:
    """Raises: InvalidField."""
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InvalidField(f"{name}: a whole number from 0", fields=[(name, "a whole number from 0")])
    return min(int(text), most)


def _seconds(text: str | None) -> float:
    """Seconds to wait, clamped to what is allowed; `true` is the longest. Raises: InvalidField."""
    if text in (None, "", "0", "false"):
        return 0.0
    if text == "true":
        return MAX_FOLLOW
    try:
        seconds = float(text or "")
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InvalidField("follow: seconds to wait", fields=[("follow", "seconds to wait")])
    return min(seconds, MAX_FOLLOW)


def _flag(text: str | None, name: str) -> bool:
    """Raises: InvalidField."""
    if text in (None, "", "0", "false"):
        return False
    if text in ("1", "true"):
        return True
    raise InvalidField(f"{name}: 1, 0, true or false", fields=[(name, "1, 0, true or false")])
