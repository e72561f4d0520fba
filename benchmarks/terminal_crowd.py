"""(h) One terminal that prints a large log to a crowd of clients: what all of them together receive per second."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.idle_tasks import cpu_seconds
from benchmarks.report import Row, Size, median
from benchmarks.server import ON_DISK
from benchmarks.terminal_client import ACK_BYTES, BINARY, TEXT, Ours
from benchmarks.terminal_sides import Side, answer_of, our_side, start_client, write_log
from bg_runner.web.sockets import OUTPUT, WHOLE

PART = "crowd"
AIM = 1500.0
CLIENTS: dict[Size, int] = {"full": 100, "small": 4}
BYTES: dict[Size, int] = {"full": 16 << 20, "small": 1 << 20}
ROUNDS: dict[Size, int] = {"full": 5, "small": 1}
PROGRAMS = 2
SCRATCH = 1 << 20


def measure(size: Size) -> list[Row]:
    """Every client acknowledges, and looks at the heads of frames alone: what follows it lets the kernel drop instead
    of copying it (MSG_TRUNC), since a crowd would not share the server's cores. Only output counts, snapshots do not.
    """
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(dir=ON_DISK) as directory, our_side() as side:
        log = Path(directory) / "coloured.log"
        written = write_log(log, BYTES[size])
        rounds.extend(_round(side, log, written, CLIENTS[size] // PROGRAMS) for _ in range(ROUNDS[size]))
    rates = [one["bytes"] / one["seconds"] / 1e6 for one in rounds]
    cpu = median([1e6 * one["cpu"] / one["bytes"] * 1000 for one in rounds])
    share = median([one["bytes"] / (written * CLIENTS[size]) for one in rounds])
    note = (
        f"{100 * share:.0f} % of the log went as output, the rest as {median([one['snapshots'] for one in rounds]):g} "
        f"snapshots; {cpu:.2f} ms of the server's CPU per MB ({1000 / cpu:,.0f} MB/s if it had a core to itself)"
    )
    what = f"{BYTES[size] >> 20} MB log to {CLIENTS[size]} clients, all together"
    met = median(rates) >= AIM
    return [Row(PART, what, "MB/s", rates, aim=f">= {AIM:,.0f} MB/s", met=met, note=note)]


def _round(side: Side, log: Path, written: int, clients: int) -> dict[str, float]:
    assert side.server is not None
    url = side.terminal("")
    path = f"/api/terminals/{urlsplit(url).path.rpartition('/')[2]}"
    api = side.server.api
    api.call("POST", f"{path}/input", {"input": "stty -echo; PS1="})
    programs = [start_client("terminal_crowd", side, url, clients, written) for _ in range(PROGRAMS)]
    for program in programs:
        assert program.stdout is not None
        program.stdout.readline()
    cpu, began = cpu_seconds(side.process), time.monotonic()
    api.call("POST", f"{path}/input", {"input": f"cat {log}"})
    answers = [answer_of(program) for program in programs]
    took = max(answer["ended"] for answer in answers) - began
    sums = {key: float(sum(answer[key] for answer in answers)) for key in ("bytes", "frames", "snapshots")}
    used = cpu_seconds(side.process) - cpu
    api.call("DELETE", path)
    return {"seconds": took, "cpu": used, **sums}


class Reader:
    """One client of the crowd, read by a selector; `left` is what is missing of the frame's payload."""

    def __init__(self, client: Ours, written: int) -> None:
        self.raw = client.socket.raw
        self.bytes = self.frames = self.snapshots = 0
        self._client = client
        self._cursor = self._acknowledged = client.cursor
        self._target = client.cursor + written
        self._head = b""
        self._left = 0
        self._missing = 2
        self._cursor_after = 0

    def read(self, scratch: memoryview) -> bool:
        """Take what is there; True once the whole log has come, as output or as a snapshot."""
        if self._left:
            self._left -= self._received(self.raw.recv_into(scratch, min(self._left, SCRATCH), socket.MSG_TRUNC))
        else:
            # After a head the payload begins; text messages between frames are small and have no use here.
            self._take_head(self.raw.recv(self._missing))
        if self._left == 0:
            self._cursor = max(self._cursor, self._cursor_after)
        if self._cursor - self._acknowledged >= ACK_BYTES:
            self._acknowledged = self._cursor
            self._client.socket.send(TEXT, b'{"type":"ack","cursor":%d}' % self._cursor)
        return self._cursor >= self._target

    @staticmethod
    def _received(size: int) -> int:
        if not size:
            raise EOFError
        return size

    def _take_head(self, data: bytes) -> None:
        """Add to the head; once it is complete, `_left` is the rest of the frame."""
        self._head += data[: self._received(len(data))]
        head = self._head
        at = {126: 4, 127: 10}.get(head[1], 2) if len(head) > 1 else 2
        need = at + (9 if head[0] & 15 == BINARY else 0)
        self._missing = need - len(head)
        if self._missing or len(head) < 2:
            return
        self._head, self._missing = b"", 2
        size = head[1] if at == 2 else int.from_bytes(head[2:at], "big")
        self._left = size - (need - at)
        if head[0] & 15 == BINARY:
            kind, cursor = head[at], int.from_bytes(head[at + 1 : need], "big")
            self._cursor_after = cursor + self._left if kind == OUTPUT else cursor
            self.bytes += self._left if kind == OUTPUT else 0
            self.frames += kind == OUTPUT
            self.snapshots += kind == WHOLE


def main() -> None:
    """The clients: [side, token, address, how many, bytes of the log]. Says when they are ready, then the sums."""
    _, token, url, count, written = sys.argv[1:]
    scratch, readers = memoryview(bytearray(SCRATCH)), []
    with selectors.DefaultSelector() as selector:
        for _ in range(int(count)):
            client = Ours(url, token)
            client.ready()
            readers.append(Reader(client, int(written)))
            selector.register(readers[-1].raw, selectors.EVENT_READ, readers[-1])
        print("ready", flush=True)
        waiting = len(readers)
        while waiting:
            for key, _ in selector.select():
                if key.data.read(scratch):
                    selector.unregister(key.data.raw)
                    waiting -= 1
    ended = time.monotonic()
    sums = {name: sum(getattr(reader, name) for reader in readers) for name in ("bytes", "frames", "snapshots")}
    print(json.dumps({"ended": ended, **sums}))
    with contextlib.suppress(OSError):
        for reader in readers:
            reader.raw.close()


if __name__ == "__main__":
    main()
