"""The WebSocket of a terminal: seed 000's JSON messages, or binary frames for output (docs/terminals.md).

Binary frames from the server: one byte of kind, eight of cursor (big-endian), then bytes of the terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import struct
import time
from collections.abc import Awaitable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from bg_runner.errors import BgRunnerError, InvalidField, InvalidInput, ViewOnly
from bg_runner.terminals.clients import Attach, Message, TerminalClient
from bg_runner.terminals.manager import TerminalManager
from bg_runner.terminals.screen_keeper import Snapshot
from bg_runner.terminals.session import TerminalSession
from bg_runner.web.asgi_routes import whole_characters
from bg_runner.web.caller import Caller
from bg_runner.web.websocket_protocol import EXTENSION, Shortcut, binary_frame

log = logging.getLogger(__name__)
PREFIX = "/api/v1/terminal/ws/"
SUBPROTOCOL = "bg-runner.binary.v1"
OUTPUT, SCREEN, WHOLE = 1, 2, 3
KICKED, REMOVED = 4403, 4404
KEPT_FRAMES = 16
_HEADER = struct.Struct(">BQ")
# As JSON.stringify and json.dumps write it; any other form goes the usual way.
_ACKNOWLEDGEMENT = re.compile(rb'\{"type": ?"ack", ?"cursor": ?(\d{1,18})\}')
_Size = Annotated[int, Field(ge=1, le=1000)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Input(_Message):
    type: Literal["input"]
    data: str


class Resize(_Message):
    type: Literal["resize"]
    rows: _Size
    cols: _Size
    take: bool = False


class Acknowledge(_Message):
    type: Literal["ack"]
    cursor: Annotated[int, Field(ge=0)]


class Plain(_Message):
    """`close` ends the terminal, `snapshot` asks for a fresh one, `ping` keeps proxies awake."""

    type: Literal["close", "snapshot", "ping"]


_MESSAGES: TypeAdapter[Input | Resize | Acknowledge | Plain] = TypeAdapter(
    Annotated[Input | Resize | Acknowledge | Plain, Field(discriminator="type")]
)


class JsonWire:
    """Everything as JSON text (seed 000)."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._unfinished = b""

    def message(self, message: Message) -> Awaitable[None]:
        return self.text(json.dumps(message, ensure_ascii=False))

    def text(self, text: str) -> Awaitable[None]:
        return self._send({"type": "websocket.send", "text": text})

    async def output(self, data: bytes, start: int, *, more: bool) -> int:
        kept = len(self._unfinished)
        data = self._unfinished + data
        whole = data[: whole_characters(data)] if more else data
        if not whole:
            return 0
        self._unfinished = b""
        text = whole.decode("utf-8", "replace")
        await self.message({"type": "output", "data": text, "cursor": start - kept + len(whole)})
        return len(whole) - kept

    def output_now(self, data: bytes, start: int) -> bool:  # noqa: ARG002 - text may have to wait for a character's end
        return False

    async def snapshots(self, screen: Snapshot | None, whole: Snapshot) -> None:  # noqa: ARG002 - one is enough here
        # Made amid a character, it ends in a part of it. As text that cannot be; it comes with the next output.
        size = whole_characters(whole.data)
        self._unfinished = whole.data[size:]
        text = whole.data[:size].decode("utf-8", "replace")
        cursor = whole.cursor - len(self._unfinished)
        await self.message(
            {"type": "reconnect", "data": text, "cursor": cursor, "rows": whole.rows, "cols": whole.cols}
        )


class BinaryWire(JsonWire):
    """Output and snapshots as binary frames. Clients that are equally far share the frame."""

    _frames: ClassVar[dict[int, tuple[bytes, bytes]]] = {}

    def __init__(self, send: Send, shortcut: Shortcut | None) -> None:
        super().__init__(send)
        self._shortcut = shortcut

    async def output(self, data: bytes, start: int, *, more: bool) -> int:  # noqa: ARG002 - bytes may be cut
        if self._shortcut is not None:
            await self._shortcut.write(self._frame(data, start))
        else:
            await self._write(OUTPUT, start, data)
        return len(data)

    def output_now(self, data: bytes, start: int) -> bool:
        return self._shortcut is not None and self._shortcut.write_now(self._frame(data, start))

    async def snapshots(self, screen: Snapshot | None, whole: Snapshot) -> None:
        if screen is not None:
            await self._write(SCREEN, screen.cursor, screen.data)
            await asyncio.sleep(0)
        await self._write(SCREEN if screen is None else WHOLE, whole.cursor, whole.data)

    async def _write(self, kind: int, cursor: int, data: bytes) -> None:
        if self._shortcut is not None:
            await self._shortcut.write(binary_frame(_HEADER.pack(kind, cursor), data))
        else:
            await self._send({"type": "websocket.send", "bytes": _HEADER.pack(kind, cursor) + data})

    @classmethod
    def _frame(cls, data: bytes, start: int) -> bytes:
        kept = cls._frames.get(start)
        if kept is None or kept[0] is not data:
            if len(cls._frames) >= KEPT_FRAMES:
                del cls._frames[next(iter(cls._frames))]
            kept = cls._frames[start] = (data, binary_frame(_HEADER.pack(OUTPUT, start), data))
        return kept[1]


async def serve_terminal(
    scope: Scope, receive: Receive, send: Send, *, manager: TerminalManager, caller: Caller, query: dict[str, str]
) -> None:
    """Serve one admitted connection to its end. Raises before it is accepted: TerminalNotFound, InvalidField."""
    session = manager.get(scope["path"].removeprefix(PREFIX), caller.user)
    binary = SUBPROTOCOL in scope.get("subprotocols", ())
    attach = _attach(query, caller, binary=binary)
    viewport = _viewport(query)
    await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if binary else None})
    shortcut: Shortcut | None = scope["extensions"].get(EXTENSION)
    wire = BinaryWire(send, shortcut) if binary else JsonWire(send)
    client = session.add_client(wire, attach)
    if viewport is not None and client.can_control:
        session.set_viewport(client, *viewport, take=False)
    connection = _Connection(session, client, manager, receive)
    if shortcut is not None:
        shortcut.on_binary, shortcut.on_text = connection.hear_input, connection.hear_acknowledgement
    code = await connection.serve(caller)
    session.remove_client(client.id)
    if code is not None:
        with contextlib.suppress(ClientDisconnected, RuntimeError):
            await send({"type": "websocket.close", "code": code})


class _Connection:
    """Three things at once: what the client says, what it is sent, and whether it may stay."""

    def __init__(
        self, session: TerminalSession, client: TerminalClient, manager: TerminalManager, receive: Receive
    ) -> None:
        self._session = session
        self._client = client
        self._manager = manager
        self._receive = receive
        self._is_busy = False  # with a message: none may pass it

    async def serve(self, caller: Caller) -> int | None:
        """The code to close with; None if the client has left."""
        tasks = [
            asyncio.ensure_future(part) for part in (self._listen(), self._client.pump(), self._wait_for_kick(caller))
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, (ClientDisconnected, OSError)):
                log.error("a connection to terminal %s failed", self._session.id, exc_info=result)
                return 1011
        if tasks[2] in done:
            return KICKED if self._client.attach.share_id else REMOVED
        return None

    async def _wait_for_kick(self, caller: Caller) -> None:
        left = caller.share.expires_at - time.time() if caller.share is not None else None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._client.kicked.wait(), left)

    async def _listen(self) -> None:
        while True:
            event = await self._receive()
            if event["type"] != "websocket.receive":
                return
            self._is_busy = True
            try:
                if event.get("bytes") is not None:
                    await self._input(event["bytes"])
                else:
                    await self._hear(event["text"])
            except BgRunnerError as error:
                self._tell(error)
            self._is_busy = False

    def hear_input(self, data: bytes) -> bool:
        """See `Shortcut`: keys reach the program before this returns, unless something is special about them."""
        is_plain = self._client.can_control and 0 < len(data) <= self._manager.max_input_bytes
        if not is_plain or self._is_busy:
            return False
        try:
            return self._session.type_now(self._client, data)
        except BgRunnerError as error:
            self._tell(error)
            return True

    def hear_acknowledgement(self, text: bytes) -> bool:
        """See `Shortcut`; acknowledgements wait for nothing."""
        found = _ACKNOWLEDGEMENT.fullmatch(text)
        if found is not None:
            self._client.acknowledge(int(found[1]))
        return found is not None

    def _tell(self, error: BgRunnerError) -> None:
        self._client.tell({"type": "error", "code": error.code, "message": error.message, "hint": error.hint})

    async def _hear(self, text: str) -> None:
        try:
            message = _MESSAGES.validate_json(text)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise InvalidField(f"the message is not understood: {where}: {problem['msg']}") from None
        match message:
            case Input():
                try:
                    data = message.data.encode()
                except UnicodeEncodeError:
                    raise InvalidInput("the input holds half a surrogate pair") from None
                await self._input(data)
            case Acknowledge():
                self._client.acknowledge(message.cursor)
            case Resize():
                self._check_control()
                self._session.set_viewport(self._client, message.rows, message.cols, take=message.take)
            case Plain(type="close"):
                self._check_control()
                await self._manager.kill(self._session)
            case Plain(type="snapshot"):
                self._client.ask_snapshot()

    async def _input(self, data: bytes) -> None:
        self._check_control()
        if len(data) > self._manager.max_input_bytes:
            raise InvalidInput(f"the input is longer than {self._manager.max_input_bytes} bytes")
        if data:
            await self._session.type(self._client, data)

    def _check_control(self) -> None:
        if not self._client.can_control:
            raise ViewOnly("this link only lets you look")


def _attach(query: dict[str, str], caller: Caller, *, binary: bool) -> Attach:
    """Raises: InvalidField."""
    cursor = _number(query, "cursor", 0, 2**62)
    # Seed 000: history comes only to those who say that they come back; our own form always starts with it.
    history = binary or cursor is not None or query.get("reconnect", "true") != "false"
    share = caller.share
    name = query.get("name", "")[:60] or (share.label if share is not None else "")
    return Attach(
        name="".join(letter for letter in name if letter.isprintable()),
        mode="control" if caller.may_control and query.get("mode") != "view" else "view",
        share_id=share.id if share is not None else None,
        cursor=cursor,
        history=history,
        scrollback=query.get("scrollback", "1") not in ("0", "false"),
        acknowledges=binary,
    )


def _viewport(query: dict[str, str]) -> tuple[int, int] | None:
    rows, cols = _number(query, "rows", 1, 1000), _number(query, "cols", 1, 1000)
    return (rows, cols) if rows is not None and cols is not None else None


def _number(query: dict[str, str], name: str, least: int, most: int) -> int | None:
    text: Any = query.get(name)
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        allowed = f"a whole number from {least} to {most}"
        raise InvalidField(f"{name}: {allowed}", fields=[(name, allowed)])
    return int(text)
