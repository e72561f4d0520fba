"""All persistent terminals of a server: opened, found again after a restart, bounded, ended, cleaned up.

The truth about a running one is the PTY host, about an ended one its `terminal.json`; its output is its log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal as signals
import time
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from bg_runner.errors import (
    BgRunnerError,
    Conflict,
    CreateFailed,
    HostGone,
    InvalidField,
    NotFound,
    SpawnFailed,
    StorageFailed,
    TerminalNotFound,
    TooManyTerminals,
)
from bg_runner.settings import Settings
from bg_runner.terminals.emulator import new_emulator
from bg_runner.terminals.host_bells import HostBells
from bg_runner.terminals.host_client import HostClient
from bg_runner.terminals.models import SpawnRequest, TerminalInfo
from bg_runner.terminals.output import LogReader, delete_log, log_directory, read_exit
from bg_runner.terminals.processes import Killed, end_leftovers, kill_tree
from bg_runner.terminals.record import Ended, NewTerminal, TerminalRecord, boot_id, load_records, save_record
from bg_runner.terminals.session import Services, TerminalSession, exited
from bg_runner.terminals.spawning import prepare
from bg_runner.terminals.usage import Usage, usage_below

log = logging.getLogger(__name__)
WORKERS = 6
REST_INTERVAL = 30.0
TIMEOUT_INTERVAL = 300.0  # seed 001: every five minutes
EXIT_PATIENCE = 5.0
KILL_TREE_SENDS = (signals.SIGTERM, signals.SIGHUP, signals.SIGCONT)
SIGNALS = dict(signals.Signals.__members__)
T = TypeVar("T")


class TerminalManager:
    """Coroutines belong to the server's event loop; `get` and `list` may be called from any thread."""

    def __init__(self, settings: Settings, host: HostClient) -> None:
        self._settings = settings
        self._host = host
        self._bells = HostBells(settings.data_dir, self._bells_lost)
        self._executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="terminal")
        self._sessions: dict[str, TerminalSession] = {}
        self._opening: dict[str, int] = {}
        self._boot = boot_id()
        self._tasks: set[asyncio.Task[object]] = set()
        self._noting: dict[str, asyncio.Task[object]] = {}
        self._services = Services(
            host,
            self._bells,
            self._executor,
            settings.buffer_size,
            on_ended=self._session_ended,
            on_gone=self._session_gone,
        )
        self._started = asyncio.Event()
        self._closing = False

    @property
    def max_input_bytes(self) -> int:
        """The largest input in one message."""
        return self._settings.max_input_bytes

    # Start and end

    async def start(self) -> None:
        """Find every terminal again, with what it wrote while no server looked."""
        found = await self._in_thread(lambda: list(load_records(self._settings.data_dir / "terminals")))
        living = await self._in_thread(self._living) if any(record.ended is None for _, record in found) else {}
        for directory, record in found:
            try:
                await self._recover(directory, record, living.get(record.id))
            except (BgRunnerError, OSError) as error:
                log.error("the terminal %s could not be found again: %s", record.id, error)
        self._spawn_task(self._in_thread(_warm_up))
        self._spawn_task(self._look_after(REST_INTERVAL, self._rest))
        self._spawn_task(self._look_after(TIMEOUT_INTERVAL, self.end_forgotten))

    def _living(self) -> dict[str, TerminalInfo]:
        if not self._host.ensure(start=False):
            return {}
        return {info.id: info for info in self._host.list()}

    async def _recover(self, directory: Path, record: TerminalRecord, info: TerminalInfo | None) -> None:
        end, active = await self._in_thread(partial(_look_at_log, directory, record))
        session = TerminalSession(record, directory, self._services, end=end, active=active)
        self._sessions[record.id] = session
        if record.ended is not None:
            return
        await self._take_up(session, info)

    async def _take_up(self, session: TerminalSession, info: TerminalInfo | None) -> None:
        """Follow a terminal again, or note what became of it."""
        if info is not None and info.state == "running":
            await self._bells.connect()
            session.follow(info)
            return
        noted = info.exit if info is not None else await self._in_thread(partial(read_exit, session.directory))
        if noted is not None:
            self._session_ended(session, exited(noted))
            return
        reason = "the machine was restarted" if session.record.boot != self._boot else "the PTY host was killed"
        self._session_ended(session, Ended(state="lost", at=session.last_activity, reason=reason))

    def _session_gone(self, session: TerminalSession) -> None:
        if not self._closing:
            self._spawn_task(self._find_again(session))

    async def _find_again(self, session: TerminalSession) -> None:
        """The connection to the host was lost: usually the host was killed, and the terminals with it."""
        try:
            info = (await self._in_thread(self._living)).get(session.id)
        except HostGone:
            info = None
        await self._take_up(session, info)

    def _bells_lost(self) -> None:
        log.warning("the PTY host was lost")

    async def close(self, *, kill: bool = False) -> None:
        """Let go of all terminals; they run on, unless `kill`."""
        self._closing = True
        running = [session for session in self._sessions.values() if session.is_running]
        if kill:
            grace = min(self._settings.stop_grace, self._settings.shutdown_timeout / 2)
            await asyncio.gather(*(self.kill(one, grace=grace) for one in running), return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(session.close() for session in self._sessions.values()), return_exceptions=True)
        self._bells.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    # Opening and finding

    async def create(self, request: NewTerminal, user: str = "owner") -> TerminalSession:
        """Open a terminal. It is on disk before it runs, so that no crash leaves one that nobody knows.

        Raises: InvalidField, ShellMissing, CwdMissing, CwdRefused, TooManyTerminals, CreateFailed, StorageFailed.
        """
        launch = await self._in_thread(partial(prepare, request, self._settings))
        self._check_limits(user)
        self._opening[user] = self._opening.get(user, 0) + 1
        try:
            record = TerminalRecord(
                id=str(uuid.uuid4()),
                user=user,
                request=request,
                shell=launch.shell,
                cwd=launch.cwd,
                name=request.name,
                group=request.group,
                created=datetime.now(UTC),
                boot=self._boot,
            )
            spawn = SpawnRequest(
                id=record.id,
                argv=launch.argv,
                cwd=launch.cwd,
                env=launch.env,
                rows=request.rows,
                cols=request.cols,
                log_bytes=self._settings.terminal_log_bytes,
            )
            directory = log_directory(self._settings.data_dir, record.id)
            info = await self._in_thread(partial(self._open, directory, record, spawn))
            await self._bells.connect()
            session = TerminalSession(record, directory, self._services, end=0, active=time.time())
            self._sessions[record.id] = session
            session.follow(info)
        finally:
            self._opening[user] -= 1
        return session

    def _open(self, directory: Path, record: TerminalRecord, spawn: SpawnRequest) -> TerminalInfo:
        save_record(directory, record)
        try:
            self._host.ensure()
            return self._host.spawn(spawn)
        except (SpawnFailed, HostGone, ValueError) as error:
            delete_log(directory)
            raise CreateFailed(getattr(error, "message", str(error))) from error

    def _check_limits(self, user: str) -> None:
        mine = sum(1 for session in self._sessions.values() if session.user == user) + self._opening.get(user, 0)
        everybody = len(self._sessions) + sum(self._opening.values())
        if mine >= self._settings.max_terminals_per_user:
            raise TooManyTerminals(f"you have {mine} terminals already", retry_after=60)
        if everybody >= self._settings.max_terminals:
            raise TooManyTerminals(f"the server has {everybody} terminals already", retry_after=60)

    def get(self, terminal_id: str, user: str = "owner") -> TerminalSession:
        """Raises: TerminalNotFound, also for what belongs to somebody else."""
        session = self._sessions.get(terminal_id)
        if session is None or session.user != user:
            raise TerminalNotFound("there is no terminal with this id")
        return session

    def list(self, user: str = "owner") -> list[TerminalSession]:
        """All of a user's terminals, oldest first."""
        return sorted(
            (session for session in list(self._sessions.values()) if session.user == user),
            key=lambda session: session.created,
        )

    def running(self) -> int:
        """How many terminals run, of all users."""
        return sum(1 for session in list(self._sessions.values()) if session.is_running)

    async def update(self, session: TerminalSession, *, name: str | None = None, group: str | None = None) -> None:
        """Rename a terminal or put it into a group. Raises: StorageFailed; nothing is changed then."""
        changes = {key: value for key, value in (("name", name), ("group", group)) if value is not None}
        record = session.record.model_copy(update=changes)
        await self._in_thread(partial(save_record, session.directory, record))
        # It may have ended meanwhile; that is not undone.
        session.renamed(session.record.model_copy(update=changes))

    async def usage(self, session: TerminalSession) -> Usage:
        """CPU and memory of its process tree."""
        if not session.is_running or session.info is None:
            return Usage(0.0, 0, 0)
        return await self._in_thread(partial(usage_below, session.info.supervisor))

    async def run_again(self, session: TerminalSession) -> TerminalSession:
        """A new terminal with the same command, shell, directory and environment. Raises: as `create`."""
        name, group = session.name, session.group
        size = {"rows": session.rows, "cols": session.cols}
        again = session.record.request.model_copy(update={"name": name, "group": group, **size})
        return await self.create(again, session.user)

    # Ending

    async def kill(self, session: TerminalSession, signal: int | None = None, *, grace: float | None = None) -> Killed:
        """End the whole process tree: first `signal` to the foreground program if given, then as a task is stopped.

        The recording stays. The receipt says what is gone and what survived. Raises: HostGone.
        """
        if not session.is_running or session.info is None:
            return await self._in_thread(self._leftovers(session))
        info = session.info
        started = time.monotonic()
        grace = self._settings.stop_grace if grace is None else grace
        if signal not in (None, *KILL_TREE_SENDS):
            with contextlib.suppress(NotFound, ValueError):
                await self._in_thread(partial(self._host.signal, session.id, int(signal or 0)))
            await _until(lambda: not session.is_running, grace)
        killed: Killed = await self._in_thread(
            partial(
                kill_tree,
                info.supervisor_process,
                grace=grace,
                main=info.main_process,
                tag=("BG_RUNNER_TERMINAL_ID", session.id),
            )
        )
        if not killed.survivors:
            await _until(lambda: not session.is_running, EXIT_PATIENCE)
        ended = killed.ended
        if info.pid not in ended and not session.is_running:
            ended = [info.pid, *ended]
        return Killed(ended, round(time.monotonic() - started, 3), killed.survivors)

    def _leftovers(self, session: TerminalSession) -> Callable[[], Killed]:
        return partial(end_leftovers, self._settings.data_dir, session.id, grace=self._settings.stop_grace)

    async def remove(self, session: TerminalSession, signal: int | None = None) -> Killed:
        """End it if it runs, then delete every file of it. Raises: Conflict if something of it survives, HostGone."""
        killed = await self.kill(session, signal)
        if session.is_running:
            raise Conflict(
                f"these processes could not be ended: {killed.survivors}",
                hint="They belong to another user or hang in the kernel. Try again later.",
            )
        for client in session.clients:
            client.kicked.set()
        self._sessions.pop(session.id, None)
        await session.close()
        noting = self._noting.pop(session.id, None)
        if noting is not None:
            await noting
        await self._in_thread(partial(self._erase, session))
        return killed

    def _erase(self, session: TerminalSession) -> None:
        with contextlib.suppress(HostGone, Conflict):
            self._host.forget(session.id)
        delete_log(session.directory)

    def _session_ended(self, session: TerminalSession, ended: Ended) -> None:
        """Its program ended or was lost: write that down, then tell everybody. On the event loop."""
        if not session.is_running:
            return
        session.ended(ended)
        self._noting[session.id] = self._spawn_task(self._in_thread(partial(self._note_end, session)))

    def _note_end(self, session: TerminalSession) -> None:
        try:
            save_record(session.directory, session.record)
            with contextlib.suppress(HostGone):  # A host that is gone has forgotten it.
                self._host.forget(session.id)
        except (StorageFailed, Conflict) as error:
            # The host's index says the same; the next start finds it there.
            log.warning("the end of terminal %s could not be noted: %s", session.id, error.message)

    # Looking after

    async def _look_after(self, interval: float, action: Callable[[], object]) -> None:
        while True:
            await asyncio.sleep(interval)
            try:
                await action()  # type: ignore[misc]
            except Exception:
                log.exception("looking after the terminals failed")

    async def _rest(self) -> None:
        for session in list(self._sessions.values()):
            await session.rest()

    async def end_forgotten(self) -> None:
        """End terminals without activity for `session_timeout` (seed 000); remove old recordings."""
        now = time.time()
        for session in list(self._sessions.values()):
            if session.has_clients():
                continue
            ended = session.record.ended
            if ended is not None and now - ended.at > self._settings.keep_recordings:
                log.info("the terminal %s ended long ago and is removed", session.id)
                await self.remove(session)
            elif ended is None and now - session.last_activity > self._settings.session_timeout:
                log.info("the terminal %s was idle for too long and is ended", session.id)
                await self.kill(session)

    def _spawn_task(self, action: Coroutine[object, object, object]) -> asyncio.Task[object]:
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(action)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _in_thread(self, action: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, action)


def _warm_up() -> None:
    """Load the emulator's library, which takes a fifth of a second, before somebody waits for a screen."""
    emulator = new_emulator(2, 10, 10)
    emulator.snapshot(scrollback=True)
    emulator.close()


def signal_number(given: str | int | None) -> int | None:
    """`SIGTERM`, `TERM` or 15. Raises: InvalidField."""
    if given is None:
        return None
    name = str(given).upper()
    number = SIGNALS.get(name) or SIGNALS.get(f"SIG{name}") or (int(name) if name.isascii() and name.isdigit() else 0)
    if number not in SIGNALS.values():
        raise InvalidField("signal: a name such as SIGTERM", fields=[("signal", "a name such as SIGTERM")])
    return int(number)


def _look_at_log(directory: Path, record: TerminalRecord) -> tuple[int, float]:
    """The end of the log and when it was written last."""
    newest = max((path.stat().st_mtime for path in directory.glob("*.log")), default=record.created.timestamp())
    return LogReader(directory).read(0, 0).end, newest


async def _until(condition: Callable[[], bool], patience: float) -> None:
    deadline = time.monotonic() + patience
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
