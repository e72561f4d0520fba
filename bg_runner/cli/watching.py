"""Following a run in a terminal: one line that is drawn anew, or a line for each task where nobody watches."""

from __future__ import annotations

import itertools
import sys
import time
from typing import Any

import click

from bg_runner.client import Client
from bg_runner.errors import NotFound, ServerNotRunning
from bg_runner.settings import Settings

POLL_SECONDS = 0.5
AWAY_SECONDS = 300.0
BAR_CELLS = 24
MARKS = {"completed": "✓", "failed": "✗", "stopped": "■", "skipped": "–"}
Json = dict[str, Any]


def wait_for_run(client: Client, settings: Settings, session: str, run_id: str) -> Json:
    """Show the run's progress until it ends; return its last status. Closes `client`.

    A server that was started again is found again, wherever it is then. Raises: ServerNotRunning after five minutes.
    """
    display = _Display(live=sys.stderr.isatty())
    away_since: float | None = None
    try:
        while True:
            try:
                status = client.status(session)["task_status"]
                away_since = None
            except ServerNotRunning:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > AWAY_SECONDS:
                    raise
                display.say_once("away", "The server is away; its shell commands go on. Waiting for it.")
                time.sleep(POLL_SECONDS)
                client = _found_again(client, settings)
                continue
            if status is None or status["run_id"] != run_id:
                raise NotFound(
                    "another run took this one's place", hint=f"bg-runner status --session {session} shows it."
                )
            display.show(status)
            if status["status"] not in ("queued", "running"):
                display.end()
                return dict(status)
            time.sleep(POLL_SECONDS)
    finally:
        client.close()


def _found_again(client: Client, settings: Settings) -> Client:
    try:
        found = Client.of_settings(settings)
    except ServerNotRunning:
        return client
    client.close()
    return found


class _Display:
    """Writes to stderr, so that a program can read what a command prints."""

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._shown: set[object] = set()
        self._drawn = False
        self._spinner = itertools.cycle("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

    def say_once(self, key: object, text: str) -> None:
        if key not in self._shown:
            self._shown.add(key)
            self._line(text)

    def show(self, status: Json) -> None:
        self._shown.discard("away")
        for row in status["tasks"]:
            if row["status"] in MARKS:
                self.say_once((row["id"], row["attempt"]), describe_row(row))
            elif row["status"] == "asking":
                name = row["name"] or row["id"]
                self.say_once((row["id"], "asks"), f"? {name} was interrupted. Open the page and say: rerun or skip.")
        if self._live:
            self._drawn = True
            click.echo(f"\r\x1b[K{next(self._spinner)} {bar(status)}", nl=False, err=True)

    def end(self) -> None:
        self._clear()

    def _line(self, text: str) -> None:
        self._clear()
        click.echo(text, err=True)

    def _clear(self) -> None:
        if self._drawn:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._drawn = False


def bar(status: Json) -> str:
    """`[######------] 2/4  50%  Pack twenty bags 45%`"""
    percent = float(status["progress_percent"])
    full = round(percent / 100 * BAR_CELLS)
    done = status["completed_tasks"] + status["failed_tasks"]
    text = f"[{'#' * full}{'-' * (BAR_CELLS - full)}] {done}/{status['total_tasks']} {percent:4.0f}%"
    if status["status"] == "queued":
        return f"{text}  queued, place {status['queue_position'] or '?'}"
    current = status["current_task"]
    if current:
        progress = status["current_task_progress"]
        text += f"  {(current['name'] or current['id'])[:40]}{'' if progress is None else f' {progress:.0f}%'}"
    return text


def describe_row(row: Json) -> str:
    """One line for a task: how it stands, its name, how long it took, and why it failed."""
    mark = MARKS.get(row["status"], "·")
    text = f"{mark} {row['name'] or row['id']}"
    if row["duration"] is not None:
        text += f"  ({row['duration']:.1f} s)"
    if row["reason"]:
        text += f"  skipped: {row['reason']}"
    if row["error"]:
        text += f"\n    {row['error']['code']}: {row['error']['message']}"
    return text


def summary(status: Json) -> str:
    parts = [f"{status['completed_tasks']} of {status['total_tasks']} tasks completed"]
    if status["failed_tasks"]:
        parts.append(f"{status['failed_tasks']} failed")
    if status["skipped_tasks"]:
        parts.append(f"{status['skipped_tasks']} skipped")
    return f"{status['status']}: {', '.join(parts)}"
