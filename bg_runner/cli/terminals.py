"""The commands for terminals: `ls`, `new`, `attach`, `kill`, `share`, `rec`."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bg_runner.cli.commands import ALL_WELL, SOME_FAILED, data_dir_option
from bg_runner.cli.keyboard import DEFAULT_DETACH_KEY, detach_pattern
from bg_runner.errors import BgRunnerError
from bg_runner.settings import Settings, load_settings

if TYPE_CHECKING:
    from bg_runner.terminal_client import TerminalClient

Json = dict[str, Any]
Row = tuple[str, ...]
SHORT_ID = 8
WIDEST_COLUMN = 40
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def _seconds_of(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """Seconds, or a number with s, m, h, d or w behind it. Raises: click.BadParameter."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", value)
    if found is None or not int(found[1]):
        raise click.BadParameter(f"{value!r} is no duration such as 90s, 15m, 2h, 7d")
    return int(found[1]) * _UNITS[found[2]]


def _detach_key_of(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Raises: click.BadParameter."""
    try:
        detach_pattern(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no detach key: {error}") from None
    return value


def _connect(settings: Settings) -> TerminalClient:
    """Raises: ServerNotRunning."""
    from bg_runner.client import Client
    from bg_runner.terminal_client import TerminalClient

    return TerminalClient(Client.of_settings(settings))


detach_key_option = click.option(
    "--detach-key",
    metavar="KEY",
    callback=_detach_key_of,
    default=DEFAULT_DETACH_KEY,
    show_default=True,
    help="ctrl- and a key, or none.",
)
terminal_argument = click.argument("terminal", metavar="ID")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@data_dir_option
def ls(as_json: bool, data_dir: Path | None) -> None:
    """List the terminals."""
    with _connect(load_settings(data_dir=data_dir)) as client:
        terminals = client.terminals()
    if as_json:
        click.echo(json.dumps(terminals, indent=2, ensure_ascii=False))
    elif not terminals:
        click.echo("No terminals.")
    else:
        rows: list[Row] = [("ID", "NAME", "STATE", "CLIENTS", "ACTIVE", "SIZE", "WHAT")]
        rows += [_row(one, datetime.now(UTC)) for one in terminals]
        click.echo("\n".join(_table(rows)))


def _row(one: Json, now: datetime) -> Row:
    active = now - datetime.fromisoformat(one["lastActivity"])
    return (
        one["terminalId"][:SHORT_ID],
        one["name"],
        _state(one),
        str(one["connectedClients"]),
        _ago(active.total_seconds()),
        f"{one['cols']}x{one['rows']}",
        one["command"] or one["title"] or one["shell"],
    )


def _state(one: Json) -> str:
    if one["status"] != "exited":
        return str(one["status"])
    return f"exited {one['exitCode']}" if one["signal"] is None else f"killed {one['signal']}"


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _table(rows: list[Row]) -> list[str]:
    """Columns in line; names and titles come from anywhere, so what is not printable shows as `?`."""
    cells = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _printable(text: str) -> str:
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return clean if len(clean) <= WIDEST_COLUMN else f"{clean[: WIDEST_COLUMN - 1]}…"


def _width(text: str) -> int:
    """Cells."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else 0 if unicodedata.combining(letter) else 1
        for letter in text
    )


@click.command()
@terminal_argument
@detach_key_option
@click.option("--view", is_flag=True, help="Only look: type nothing, leave the size alone. Ctrl-C ends it, too.")
@data_dir_option
def attach(terminal: str, detach_key: str, view: bool, data_dir: Path | None) -> int:
    """Work in a terminal from here; exit with its program's code when that ends.

    ID is an id, its unique beginning, or a unique name. The detach key leaves without ending anything. When the server
    is started again, the connection comes back by itself.
    """
    _need_tty()
    settings = load_settings(data_dir=data_dir)
    with _connect(settings) as client:
        terminal_id = client.find(terminal)["terminalId"]
    return _attach(settings, terminal_id, detach_key, view=view)


def _need_tty() -> None:
    """Raises: click.UsageError."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("Standard input and output must be a terminal.")


def _attach(settings: Settings, terminal_id: str, detach_key: str, *, view: bool = False) -> int:
    import asyncio

    from bg_runner.cli.attach import attach as attach_until_end
    from bg_runner.cli.keyboard import Keyboard
    from bg_runner.cli.local_terminal import LocalTerminal

    local, keyboard = LocalTerminal(), Keyboard(detach_pattern(detach_key))
    with local.raw():
        ended = asyncio.run(attach_until_end(settings, terminal_id, local, keyboard, view=view, detach_key=detach_key))
    if ended.message:
        click.echo(f"\n[{ended.message}]", err=True)
    return ended.status


@click.command()
@click.argument("command", metavar="[CMD]...", nargs=-1)
@click.option("--name", default="", help="What it is called.")
@click.option("--group", default="", help="The group it is listed in.")
@click.option("--cwd", type=click.Path(file_okay=False), help="Where it starts; default: here.")
@click.option("--shell", help="The shell; default: the server's.")
@click.option("--detach", "-d", is_flag=True, help="Do not attach; print the id.")
@detach_key_option
@data_dir_option
def new(
    command: tuple[str, ...],
    name: str,
    group: str,
    cwd: str | None,
    shell: str | None,
    detach: bool,
    detach_key: str,
    data_dir: Path | None,
) -> int:
    """Open a terminal: a shell, or CMD with its arguments (`bg-runner new -- make -j4`).

    One argument is a line for the shell (`bg-runner new -- 'make && make test'`). Attaches to it when this is a
    terminal; else it prints the id.
    """
    settings = load_settings(data_dir=data_dir)
    watched = not detach and sys.stdin.isatty() and sys.stdout.isatty()
    wanted: Json = {"name": name, "group": group, "cwd": os.path.abspath(cwd or "."), "shell": shell}  # noqa: PTH100
    if command:
        wanted["command"] = command[0] if len(command) == 1 else shlex.join(command)
    if watched:
        size = os.get_terminal_size(sys.stdout.fileno())
        wanted["rows"], wanted["cols"] = min(max(size.lines, 1), 1000), min(max(size.columns, 1), 1000)
    with _connect(settings) as client:
        terminal_id = client.create(**wanted)["terminalId"]
    if watched:
        return _attach(settings, terminal_id, detach_key)
    click.echo(terminal_id)
    return ALL_WELL


@click.command()
@click.argument("terminals", metavar="ID...", nargs=-1, required=True)
@click.option("--signal", "-s", "signal_name", metavar="NAME", help="Sent first, such as INT; default: TERM and HUP.")
@click.option("--remove", is_flag=True, help="Delete the recording, too.")
@data_dir_option
def kill(terminals: tuple[str, ...], signal_name: str | None, remove: bool, data_dir: Path | None) -> int:
    """End terminals with all of their processes; the recordings stay."""
    survivors: list[int] = []
    with _connect(load_settings(data_dir=data_dir)) as client:
        for terminal_id in [client.find(one)["terminalId"] for one in terminals]:
            end = client.remove if remove else client.kill
            survivors += _say_receipt(terminal_id, end(terminal_id, signal_name))
    return SOME_FAILED if survivors else ALL_WELL


def _say_receipt(terminal_id: str, receipt: Json) -> list[int]:
    """Print what ending a terminal did; the pids that live on."""
    click.echo(f"{terminal_id}  processes ended: {len(receipt['ended'])}")
    if receipt["survivors"]:
        click.echo(f"These processes could not be ended: {receipt['survivors']}", err=True)
    return list(receipt["survivors"])


@click.command()
@terminal_argument
@click.option("--control", is_flag=True, help="The link's holder may type, too; else they only look.")
@click.option(
    "--expires", callback=_seconds_of, metavar="TIME", help="Such as 30m, 2h, 7d; default: the server's setting."
)
@click.option("--label", default="", help="For whom it is; shown to all.")
@click.option("--list", "listed", is_flag=True, help="List the links of the terminal.")
@click.option("--revoke", metavar="SHARE", help="Take a link back; whoever uses it is disconnected.")
@data_dir_option
def share(
    terminal: str,
    control: bool,
    expires: int | None,
    label: str,
    listed: bool,
    revoke: str | None,
    data_dir: Path | None,
) -> None:
    """Make a link that shows one terminal to somebody who has no login."""
    if listed and revoke is not None:
        raise click.UsageError("Say --list or --revoke, not both.")
    with _connect(load_settings(data_dir=data_dir)) as client:
        terminal_id = client.find(terminal)["terminalId"]
        if revoke is not None:
            client.revoke(terminal_id, revoke)
            click.echo(f"{revoke} is revoked.")
        elif listed:
            rows: list[Row] = [("SHARE", "MODE", "EXPIRES", "CLIENTS", "LABEL")]
            rows += [_share_row(one) for one in client.shares(terminal_id)]
            click.echo("\n".join(_table(rows)) if len(rows) > 1 else "No links.")
        else:
            made = client.share(terminal_id, "control" if control else "view", expires, label)
            click.echo(made["url"])
            until = _moment(made["expiresAt"])
            click.echo(f"{made['mode']}, until {until}; to take it back: --revoke {made['id']}", err=True)


def _moment(iso: str) -> str:
    return datetime.fromisoformat(iso).astimezone().isoformat(" ", "seconds")


def _share_row(one: Json) -> Row:
    return one["id"], one["mode"], _moment(one["expiresAt"]), str(one["clients"]), one["label"]


@click.command()
@terminal_argument
@data_dir_option
def rec(terminal: str, data_dir: Path | None) -> None:
    """Write a terminal's recording as asciicast v2 to standard output (`bg-runner rec ID > x.cast`)."""
    with _connect(load_settings(data_dir=data_dir)) as client:
        terminal_id = client.find(terminal)["terminalId"]
        for piece in client.recording(terminal_id):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def end_all(settings: Settings) -> int:
    """End every terminal, with or without a server: `bg-runner stop --terminals`; the exit status."""
    from bg_runner.errors import ServerNotRunning

    try:
        client = _connect(settings)
    except ServerNotRunning:
        return _end_all_without_server(settings)
    failed = False
    with client:
        running = [one["terminalId"] for one in client.terminals() if one["status"] == "running"]
        for terminal_id in running:
            try:
                failed |= bool(_say_receipt(terminal_id, client.kill(terminal_id)))
            except BgRunnerError as error:
                failed = True
                click.echo(f"{terminal_id}  {error.code}: {error.message}", err=True)
    if not running:
        click.echo("No terminal runs.")
    return SOME_FAILED if failed else ALL_WELL


def _end_all_without_server(settings: Settings) -> int:
    from bg_runner.cli.offline import end_terminals

    ended = end_terminals(settings)
    if not ended:
        click.echo("No terminal runs.")
    survivors: list[int] = []
    for terminal_id, killed in ended.items():
        survivors += _say_receipt(terminal_id, {"ended": killed.ended, "survivors": killed.survivors})
    return SOME_FAILED if survivors else ALL_WELL


ALL = (ls, new, attach, kill, share, rec)
