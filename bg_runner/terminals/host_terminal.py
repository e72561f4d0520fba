"""One terminal in the PTY host: its master, its log, its end, and who wants to hear of it."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, cast

from bg_runner.terminals.identity import Exit, ProcessId
from bg_runner.terminals.protocol import encode_bell

if TYPE_CHECKING:
    from bg_runner.terminals.host_channel import Channel
    from bg_runner.terminals.output import LogWriter
    from bg_runner.terminals.protocol import Message

READ = 4096  # Linux gives at most this much of a PTY in one read.
SHORT = 1024  # After less there is hardly more; and if there is, the selector says so.
READS_IN_TURN = 16
MAX_INPUT = 1024 * 1024
QUIET = 0.1
LONGEST_DRAIN = 1.0


class Client:
    """What the host keeps of one connection: the version it speaks and the terminals on which it has a bell."""

    def __init__(self) -> None:
        self.version: int | None = None
        self.armed: dict[int, Terminal] = {}


class Bell(NamedTuple):
    """Rings once when the log is longer than `cursor` (None: never for that), or at the exit if it is waited for."""

    channel: Channel[Client]
    watch: int
    cursor: int | None
    at_exit: bool


class Terminal:
    """`pid` is 0 while the supervisor still starts the command. `status` is the wait status of the main process;
    `exit` comes later: when its output has been read to the end, too. `hung_up` says that the PTY is closed on the
    other side; a living main process may open it again. `changed` is called when there is more or less to listen for.
    """

    def __init__(
        self,
        terminal_id: str,
        log: LogWriter,
        size: tuple[int, int],
        supervisor: ProcessId,
        link: Channel[Terminal],
        changed: Callable[[Terminal], None],
    ) -> None:
        self.id = terminal_id
        self.log = log
        self.rows, self.cols = size
        self.supervisor = supervisor
        self.link: Channel[Terminal] | None = link
        self.request: Message = {}
        self.attempts = 0
        self.started_at = round(time.time(), 3)
        self.pid = 0
        self.pid_started = 0
        self.master = -1
        self.hung_up = False
        self.status: int | None = None
        self.exit: Exit | None = None
        self.flush_planned = False
        self.input = bytearray()
        self.bells: dict[tuple[int, int], Bell] = {}
        self.waiters: list[tuple[Channel[Client], object]] = []
        self.quiet_until = 0.0
        self._drain_until = 0.0
        self._changed = changed

    def info(self) -> Message:
        """For `info`, `list` and `spawn`."""
        return {
            "id": self.id,
            "state": "exited" if self.exit else "running",
            "pid": self.pid,
            "pid_started": self.pid_started,
            "supervisor": self.supervisor.pid,
            "supervisor_started": self.supervisor.started,
            "cursor": self.log.cursor,
            "rows": self.rows,
            "cols": self.cols,
            "started_at": self.started_at,
            "exit": exit_message(self.exit),
            "dropped": self.log.dropped,
        }

    def read(self) -> None:
        """Read one turn's worth, and note whether the PTY was hung up."""
        parts: list[bytes] = []
        more = True
        try:
            while more and len(parts) < READS_IN_TURN:
                data = os.read(self.master, READ)
                parts.append(data)
                self.hung_up = not data
                more = len(data) >= SHORT
        except BlockingIOError:
            self.hung_up = False
        except OSError as error:
            # EIO is how Linux says that no process has the other side open.
            self.hung_up = error.errno == errno.EIO
            if not self.hung_up:
                raise
        if parts:
            begin = self.log.append(parts[0] if len(parts) == 1 else b"".join(parts))
            self.ring()
            self.log.note(begin)  # Somebody waits for the echo of a key, nobody for its time.
            self.quiet_until = time.monotonic() + QUIET

    def main_ended(self, status: int) -> None:
        """The main process ended; its last output may still be in the PTY."""
        if self.status is None:
            now = time.monotonic()
            self.status, self.quiet_until, self._drain_until = status, now + QUIET, now + LONGEST_DRAIN

    def seconds_to_drain(self) -> float:
        """After the main process's end: how long to wait for more. At 0 nothing more of it can come.

        A child may hold the PTY open and go on writing; that is kept, too, but not waited for.
        """
        return 0.0 if self.hung_up else max(min(self.quiet_until, self._drain_until) - time.monotonic(), 0.0)

    def finish(self) -> None:
        """Record the exit. Only when `seconds_to_drain` is 0."""
        if self.status is None or self.exit is not None:
            return
        code: int | None = None
        signal: int | None = None
        if os.WIFSIGNALED(self.status):
            signal = os.WTERMSIG(self.status)
        elif self.status >= 0:
            code = os.waitstatus_to_exitcode(self.status)
        self.exit = self.log.exit(code, signal)
        self.input.clear()
        self.ring()

    def arm(self, bell: Bell) -> None:
        """Level-triggered: rings at once if there is a reason already."""
        self.bells[id(bell.channel), bell.watch] = bell
        self.ring()

    def disarm(self, channel: Channel[Client], watch: int) -> None:
        self.bells.pop((id(channel), watch), None)

    def ring(self) -> None:
        if not self.bells:
            return
        end = self.log.cursor
        for key, bell in list(self.bells.items()):
            if (bell.cursor is not None and end > bell.cursor) or (bell.at_exit and self.exit):
                del self.bells[key]
                cast("Client", bell.channel.owner).armed.pop(bell.watch, None)
                if self.exit is None:
                    bell.channel.send_frame(encode_bell(bell.watch, end))
                else:
                    bell.channel.send({"bell": bell.watch, "cursor": end, "exit": exit_message(self.exit)})

    def type(self, data: bytes) -> bool:
        """Queue input; False if too much waits already, because the program does not read."""
        if len(self.input) + len(data) > MAX_INPUT:
            return False
        self.input += data
        self.pump_input()
        return True

    def pump_input(self) -> None:
        """Give the PTY what it takes now."""
        try:
            while self.input and self.master >= 0:
                del self.input[: os.write(self.master, self.input)]
        except BlockingIOError:
            pass
        except OSError:
            self.input.clear()  # Nobody is there to read it.
        self._changed(self)

    def resize(self, rows: int, cols: int) -> int:
        """Return where in the log the new size begins to hold (bytes). Raises: OSError."""
        if self.master >= 0:
            if not self.hung_up:
                self.read()  # What the program wrote already is laid out for the old size.
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.rows, self.cols = rows, cols
        return self.log.resize(rows, cols)


def exit_message(ended: Exit | None) -> Message | None:
    if ended is None:
        return None
    return {"code": ended.code, "signal": ended.signal, "cursor": ended.cursor, "at": ended.at}
