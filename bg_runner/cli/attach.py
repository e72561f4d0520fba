"""`bg-runner attach`: a terminal of the server in the one where the command was typed.

Output comes over the WebSocket in binary form. When the server is started again, the connection is made again with the
cursor of the last byte that was drawn: nothing is lost and nothing is drawn twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import random
import signal
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from bg_runner.cli.keyboard import HOLD_SECONDS, Keyboard
from bg_runner.cli.local_terminal import LocalTerminal
from bg_runner.client import find_server
from bg_runner.errors import BgRunnerError, ServerNotRunning, TerminalNotFound, Unauthorized
from bg_runner.settings import Settings

SUBPROTOCOL = Subprotocol("bg-runner.binary.v1")
OUTPUT, SCREEN = 1, 2
HEADER_BYTES = 9
GONE = 4404
ACK_BYTES = 128 * 1024
ACK_SECONDS = 0.1
TYPED_AHEAD = 1 << 20
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
AWAY_SECONDS = 300.0
CLOSE_SECONDS = LAST_KEYS_SECONDS = 2.0
CTRL_C = b"\x03"
HUNG_UP = 128 + signal.SIGHUP
Json = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """Why `attach` is over: its exit status, and what to say."""

    status: int
    message: str


async def attach(
    settings: Settings, terminal_id: str, local: LocalTerminal, keyboard: Keyboard, *, view: bool, detach_key: str
) -> Ended:
    """Show the terminal until its program ends or the person detaches. `local` is raw meanwhile.

    With `view` nothing is typed and the size stays as it is. `detach_key` is what the key is called in messages.
    Raises: ServerNotRunning (also after five minutes without it), TerminalNotFound, Unauthorized.
    """
    loop = asyncio.get_running_loop()
    attachment = _Attachment(settings, terminal_id, local, keyboard, view=view, detach_key=detach_key)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        loop.add_signal_handler(number, attachment.end, 128 + number, "")
    loop.add_signal_handler(signal.SIGWINCH, attachment.on_window)
    loop.add_signal_handler(signal.SIGCONT, attachment.on_continued)
    return await attachment.run()


class _Attachment:
    """The keyboard, the window and the server's messages, in one event loop."""

    def __init__(
        self,
        settings: Settings,
        terminal_id: str,
        local: LocalTerminal,
        keyboard: Keyboard,
        *,
        view: bool,
        detach_key: str,
    ) -> None:
        self._settings = settings
        self._id = terminal_id
        self._local = local
        self._keyboard = keyboard
        self._view = view
        self._detach_key = detach_key
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Ended] = self._loop.create_future()
        self._socket: ClientConnection | None = None
        self._was_connected = False
        self._cursor: int | None = None
        self._acknowledged = 0
        self._ack_timer: asyncio.TimerHandle | None = None
        self._title = ""
        self._noticed = False
        self._fits = True
        self._outbox = _Outbox()
        self._hold_timer: asyncio.TimerHandle | None = None
        self._refusal = ""

    async def run(self) -> Ended:
        self._loop.add_reader(self._local.input, self._on_keys)
        following = asyncio.create_task(self._follow())
        try:
            over: set[asyncio.Future[Any]] = {following, self._ended}
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            if not self._ended.done():
                await self._explain(following)
            ended = await self._ended
            if self._socket is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._outbox.drained(), LAST_KEYS_SECONDS)
            return Ended(ended.status, "\n".join(filter(None, (ended.message, self._refusal))))
        finally:
            self._loop.remove_reader(self._local.input)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _explain(self, following: asyncio.Task[None]) -> None:
        """Why the connection is not made again. Raises: as `attach`."""
        try:
            await following
        except OSError as error:
            self.end(HUNG_UP, f"Your terminal is gone: {error.strerror}.")

    def end(self, status: int, message: str) -> None:
        if not self._ended.done():
            self._ended.set_result(Ended(status, message))

    # --- the server --------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Be connected, again and again."""
        delay = FIRST_DELAY
        away_since = time.monotonic()
        while not self._ended.done():
            try:
                async with self._connect() as self._socket:
                    self._was_connected = True
                    connected_since = time.monotonic()
                    await self._talk(self._socket)
                away_since = time.monotonic()
                if away_since - connected_since > LONGEST_DELAY:
                    delay = FIRST_DELAY
            except (ServerNotRunning, InvalidHandshake, OSError, EOFError) as error:
                problem = _problem(error, self._id)
                away = time.monotonic() - away_since
                if not isinstance(problem, ServerNotRunning) or not self._was_connected or away > AWAY_SECONDS:
                    raise problem from error
            finally:
                self._socket = None
            if not self._ended.done():
                self._noticed = True
                await self._local.set_title(f"{self._title} (reconnecting; {self._detach_key} detaches)".lstrip())
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - to spread many clients
                delay = min(delay * 2, LONGEST_DELAY)

    def _connect(self) -> connect:
        """Raises: ServerNotRunning."""
        url, token = find_server(self._settings)
        query: dict[str, object] = {"reconnect": "true", "scrollback": 0, "name": _own_name()}
        if self._view:
            query["mode"] = "view"
        else:
            query["rows"], query["cols"] = self._local.size
        if self._cursor is not None:
            query["cursor"] = self._cursor
        return connect(
            f"ws{url.removeprefix('http')}/api/v1/terminal/ws/{self._id}?{urlencode(query)}",
            additional_headers={"Authorization": f"Bearer {token}"},
            subprotocols=[SUBPROTOCOL],
            ssl=_unchecked_tls() if url.startswith("https:") else None,
            proxy=None,
            compression=None,
            max_size=None,
            close_timeout=CLOSE_SECONDS,
        )

    async def _talk(self, socket: ClientConnection) -> None:
        """Until the connection is lost."""
        self._outbox.forget_messages()
        if self._cursor is None and not self._view:
            # Whoever attaches wants to work in this window. Later only typing takes the size.
            self._tell_size(take=True)
        sending = asyncio.create_task(self._outbox.send_to(socket))
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    await self._draw(message)
                else:
                    await self._hear(json.loads(message))
                await asyncio.sleep(0)  # A flood of output must not keep the keyboard waiting.
        except ConnectionClosed:
            pass
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        if socket.close_code == GONE:
            self.end(1, "The terminal was removed.")

    async def _draw(self, frame: bytes) -> None:
        kind, cursor, data = frame[0], int.from_bytes(frame[1:HEADER_BYTES], "big"), frame[HEADER_BYTES:]
        if kind == OUTPUT:
            self._keyboard.show(data)
            await self._local.write(data)
            self._cursor = cursor + len(data)
            if self._cursor - self._acknowledged >= ACK_BYTES:
                self._acknowledge()
        elif kind == SCREEN:
            await self._local.draw(data)
            self._cursor = self._acknowledged = cursor
        if self._ack_timer is None:
            self._ack_timer = self._loop.call_later(ACK_SECONDS, self._acknowledge)

    def _acknowledge(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        if self._cursor is not None and self._cursor > self._acknowledged:
            self._acknowledged = self._cursor
            self._tell({"type": "ack", "cursor": self._cursor})

    async def _hear(self, message: Json) -> None:
        match message["type"]:
            case "status":
                self._title = message["title"]
                if self._noticed:
                    self._noticed = False
                    await self._local.set_title(self._title)
            case "resize":
                self._on_size((message["rows"], message["cols"]))
            case "exit":
                self.end(*_exit_of(message))
            case "lost":
                self.end(1, f"The terminal was lost: {message['reason']}")
            case "error":
                self._refusal = f"{message['code']}: {message['message']}"

    def _on_size(self, size: tuple[int, int]) -> None:
        """The terminal has this size now. What was drawn for another one is drawn anew."""
        fits = size == self._local.size
        if fits and not self._fits:
            self._tell({"type": "snapshot"})
        self._fits = fits

    def _tell(self, message: Json) -> None:
        """Send `message` if the server is there; it means nothing to a later connection."""
        if self._socket is not None:
            self._outbox.put(json.dumps(message))

    def _tell_size(self, *, take: bool = False) -> None:
        rows, cols = self._local.size
        self._tell({"type": "resize", "rows": rows, "cols": cols, "take": take})

    # --- the person --------------------------------------------------------------------------------------------

    def _on_keys(self) -> None:
        data = self._local.read()
        if not data:
            self._loop.remove_reader(self._local.input)
            self.end(HUNG_UP, "")
            return
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None
        self._type(self._keyboard.feed(data))
        if self._keyboard.detached:
            self.end(0, f"Detached; it runs on. To come back: bg-runner attach {self._id}")
        elif self._keyboard.holds:
            self._hold_timer = self._loop.call_later(HOLD_SECONDS, lambda: self._type(self._keyboard.flush()))

    def _type(self, keys: bytes) -> None:
        if self._view:
            if CTRL_C in keys:
                self.end(0, "")
        elif self._outbox.waiting + len(keys) > TYPED_AHEAD:
            self._refusal = "Not all that was typed has reached the server: it took nothing for too long."
        elif keys:
            self._outbox.put(keys)

    def on_window(self) -> None:
        """The window has another size."""
        if not self._view:
            self._tell_size()

    def on_continued(self) -> None:
        """The process was stopped, and something else used the window."""
        self._local.make_raw()
        self.on_window()
        self._tell({"type": "snapshot"})
        if self._socket is None:
            self._cursor = None


class _Outbox:
    """What waits to be sent: keys (bytes), which outlive a connection, and messages (str), which do not."""

    def __init__(self) -> None:
        self.waiting = 0
        self._items: deque[bytes | str] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def put(self, item: bytes | str) -> None:
        self._items.append(item)
        self.waiting += len(item)
        self._drained.clear()
        self._filled.set()

    def forget_messages(self) -> None:
        kept = [item for item in self._items if isinstance(item, bytes)]
        self._items = deque(kept)
        self.waiting = sum(map(len, kept))

    async def drained(self) -> None:
        """Wait until everything is sent."""
        await self._drained.wait()

    async def send_to(self, socket: ClientConnection) -> None:
        """Send until cancelled. Keys are taken out before they are sent: never typed twice, whatever breaks off."""
        while True:
            while self._items:
                item = self._items.popleft()
                self.waiting -= len(item)
                await socket.send(item)
            self._drained.set()
            self._filled.clear()
            await self._filled.wait()


def _problem(error: Exception, terminal_id: str) -> BgRunnerError:
    """What a failed connection means; ServerNotRunning is worth another attempt."""
    if isinstance(error, BgRunnerError):
        return error
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status == 404:
            return TerminalNotFound(f"no terminal {terminal_id}")
        if status in (401, 403):
            return Unauthorized(f"the server refused the connection: HTTP {status}")
    return ServerNotRunning(f"the server does not answer: {error or type(error).__name__}")


def _exit_of(message: Json) -> tuple[int, str]:
    """The status to exit with, as a shell has it, and a line that says why."""
    code, number = message["code"], message["signal"]
    if number is None:
        return code or 0, f"Ended with exit code {code}."
    name = signal.Signals(number).name if number in signal.valid_signals() else str(number)
    return 128 + number, f"Ended by {name}."


def _own_name() -> str:
    """How the others see this client."""
    with contextlib.suppress(OSError, KeyError):
        return f"{getpass.getuser()}@{socket.gethostname()}"
    return "command line"


def _unchecked_tls() -> ssl.SSLContext:
    """As in client.py: the address comes from a file of ours and leads to this machine, by another name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
