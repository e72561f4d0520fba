"""What each command does. Heavy imports happen inside, so that `--help` and `--version` are quick."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bg_runner.errors import BgRunnerError, NotRunning, ServerNotRunning, TaskUnknown
from bg_runner.settings import Settings, load_settings

if TYPE_CHECKING:
    from bg_runner.app import App
    from bg_runner.client import Client

Json = dict[str, Any]
Command = Callable[..., Any]
ALL_WELL, SOME_FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def data_dir_option(command: Command) -> Command:
    kind = click.Path(path_type=Path, file_okay=False)
    return click.option("--data-dir", type=kind, help="The data directory of the server.")(command)


def session_option(command: Command) -> Command:
    return click.option("--session", metavar="UUID", help="The workspace: the UUID of its page's address.")(command)


def connect(data_dir: Path | None) -> Client:
    """The server of the data directory. Raises: ServerNotRunning."""
    from bg_runner.client import Client

    return Client.of_settings(load_settings(data_dir=data_dir))


def choose_session(client: Client, session: str | None) -> str:
    """The named workspace, else the one that has a run now. Raises: click.UsageError if that is not clear."""
    if session is not None:
        return session
    active = client.runs()
    if len(active) == 1:
        return str(active[0]["session_id"])
    known = "".join(f"\n  {run['session_id']}  {run['task_status']['status']}" for run in active)
    raise click.UsageError(f"Name the workspace with --session; active runs: {len(active)}{known}")


@click.command()
@click.option("--host", help="Address to bind (127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to bind (8000); 0 takes a free one.")
@data_dir_option
@click.option("--behind-proxy", is_flag=True, default=None, help="A proxy in front adds TLS; allows any address.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Certificate file (PEM).")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Key file (PEM) of the certificate.")
def serve(**options: object) -> None:
    """Start the server; it prints an address that logs you in."""
    from bg_runner.web.serve import serve as serve_until_signal

    serve_until_signal(load_settings(**options), _build)


def _build(settings: Settings, token: str) -> App:
    from bg_runner.app import build

    return build(settings, token)


@click.command()
@click.argument("task_list", metavar="LIST.json", type=click.File("rb"))
@click.option("--wait", is_flag=True, help="Show progress until the run ends; exit 0 if every task completed, else 1.")
@session_option
@click.option("--auto-generate", is_flag=True, help="Plan a path for browser tasks that have none.")
@click.option("--ignore-completed", is_flag=True, help="Run tasks again that succeeded already.")
@data_dir_option
def run(
    task_list: Any, wait: bool, session: str | None, auto_generate: bool, ignore_completed: bool, data_dir: Path | None
) -> int:
    """Run a list of tasks (`-` reads it from standard input).

    LIST.json holds a JSON list of tasks, or {"tasks": [...]}; docs/tasks.md describes them. Without --session a new
    workspace is made; with it the workspace's list is replaced.
    """
    settings = load_settings(data_dir=data_dir)
    tasks = _read_tasks(task_list)
    try:
        with connect(data_dir) as client:
            session_id, run_id = _accept(
                client, tasks, session, auto_generate=auto_generate, ignore_completed=ignore_completed
            )
            click.echo(f"{client.url}/s/{session_id}")
            return _wait(client, settings, session_id, run_id) if wait else ALL_WELL
    except BgRunnerError as error:
        click.echo(f"{error.code}: {error.message}", err=True)
        click.echo(error.hint, err=True)
        return REFUSED


def _read_tasks(file: Any) -> list[Json]:
    """Raises: click.UsageError."""
    try:
        given = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{file.name} is not JSON: {error}") from error
    tasks = given.get("tasks") if isinstance(given, dict) else given
    if not isinstance(tasks, list):
        raise click.UsageError(f'{file.name} holds neither a list of tasks nor {{"tasks": [...]}}')
    return tasks


def _accept(client: Client, tasks: list[Json], session: str | None, **options: bool) -> tuple[str, str]:
    session_id = session or str(client.create_session()["session_id"])
    client.save_tasks(session_id, tasks)
    return session_id, str(client.start(session_id, **options)["run_id"])


def _wait(client: Client, settings: Settings, session_id: str, run_id: str) -> int:
    from bg_runner.cli.watching import summary, wait_for_run

    try:
        status = wait_for_run(client, settings, session_id, run_id)
    except KeyboardInterrupt:
        click.echo(f"\nThe run goes on. To end it: bg-runner stop --session {session_id}", err=True)
        return INTERRUPTED
    click.echo(summary(status))
    return ALL_WELL if status["status"] == "completed" and not status["failed_tasks"] else SOME_FAILED


@click.command()
@session_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@data_dir_option
def status(session: str | None, as_json: bool, data_dir: Path | None) -> None:
    """Show a workspace's latest run, or every active run."""
    from bg_runner.cli.watching import bar, describe_row, summary

    with connect(data_dir) as client:
        if session is None:
            active = client.runs()
            if as_json:
                click.echo(json.dumps(active, indent=2, ensure_ascii=False))
                return
            for one in active:
                click.echo(f"{one['url']}\n  {bar(one['task_status'])}")
            if not active:
                click.echo("Nothing runs.")
            return
        answer = client.status(session)
        if as_json:
            click.echo(json.dumps(answer["task_status"], indent=2, ensure_ascii=False))
        elif answer["task_status"] is None:
            click.echo("This workspace has not run anything yet.")
        else:
            click.echo(summary(answer["task_status"]))
            for row in answer["task_status"]["tasks"]:
                click.echo(f"{describe_row(row)}  [{row['status']}]  {row['id']}")


@click.command()
@session_option
@click.option("--all", "everything", is_flag=True, help="Every run of every workspace, also when no server runs.")
@click.option("--terminals", is_flag=True, help="End all terminals, also when no server runs; their recordings stay.")
@data_dir_option
def stop(session: str | None, everything: bool, terminals: bool, data_dir: Path | None) -> int:
    """Stop a run with all of its processes; what is done stays done."""
    if everything and session is not None:
        raise click.UsageError("Say --session or --all, not both.")
    status = ALL_WELL
    if terminals:
        from bg_runner.cli.terminals import end_all

        status = end_all(load_settings(data_dir=data_dir))
        if not everything and session is None:
            return status
    return max(status, _stop_runs(session, data_dir, everything=everything))


def _stop_runs(session: str | None, data_dir: Path | None, *, everything: bool) -> int:
    try:
        client = connect(data_dir)
    except ServerNotRunning:
        if everything:
            return _stop_without_server(load_settings(data_dir=data_dir))
        raise
    with client:
        sessions = (
            [str(one["session_id"]) for one in client.runs()] if everything else [choose_session(client, session)]
        )
        if not sessions:
            click.echo("Nothing runs.")
        for session_id in sessions:
            try:
                click.echo(f"{session_id}  {client.stop(session_id)['message']}")
            except NotRunning as error:  # it ended meanwhile
                if not everything:
                    raise
                click.echo(f"{session_id}  {error.message}")
    return ALL_WELL


def _stop_without_server(settings: Settings) -> int:
    from bg_runner.cli.offline import stop_all

    ended = stop_all(settings)
    if not ended:
        click.echo("Nothing runs.")
    survivors: list[int] = []
    for one in ended:
        receipts = [row.receipt for row in one.tasks if row.receipt is not None]
        pids = sum(len(receipt.ended) for receipt in receipts)
        survivors += [pid for receipt in receipts for pid in receipt.survivors]
        click.echo(f"{one.session_id}  {one.status}; processes ended: {pids}")
    if survivors:
        click.echo(f"These processes could not be ended: {survivors}", err=True)
    return SOME_FAILED if survivors or any(one.status in ("queued", "running") for one in ended) else ALL_WELL


@click.command()
@click.argument("task", metavar="TASK")
@click.option("--follow", "-f", is_flag=True, help="Go on until the task ends.")
@session_option
@data_dir_option
def logs(task: str, follow: bool, session: str | None, data_dir: Path | None) -> None:
    """Print the output of a task, named by its id or its name."""
    with connect(data_dir) as client:
        session_id = choose_session(client, session)
        for piece in client.read_log(session_id, _task_id(client, session_id, task), follow=follow):
            click.echo(piece, nl=False)


def _task_id(client: Client, session_id: str, task: str) -> str:
    """Raises: TaskUnknown."""
    answer = client.status(session_id)["task_status"]
    rows = answer["tasks"] if answer else []
    found = [row["id"] for row in rows if row["id"] == task] or [row["id"] for row in rows if row["name"] == task]
    if len(found) != 1:
        hint = "bg-runner status --session UUID lists the tasks with their ids."
        raise TaskUnknown(f"tasks of the latest run called {task!r}: {len(found)}", hint=hint)
    return str(found[0])


@click.command()
@data_dir_option
def link(data_dir: Path | None) -> None:
    """Print a new one-time address that logs in, also as a QR code."""
    with connect(data_dir) as client:
        made = client.link()
    click.echo(made["url"])
    if sys.stdout.isatty():
        import segno

        segno.make(made["url"], error="l", micro=False).terminal(compact=True)
    click.echo(f"It works once, until {made['expires_at']}.", err=True)


@click.group()
def secret() -> None:
    """Values that tasks use by name and that are never shown."""


@secret.command("set")
@click.argument("name")
@click.option("--stdin", is_flag=True, help="Read the value from standard input instead of asking.")
@session_option
@data_dir_option
def set_secret(name: str, stdin: bool, session: str | None, data_dir: Path | None) -> None:
    """Set or replace a secret; asks for its value."""
    with connect(data_dir) as client:
        session_id = choose_session(client, session)
        value = sys.stdin.read().removesuffix("\n") if stdin else click.prompt("Value", hide_input=True, err=True)
        client.set_secret(session_id, name, value)
    click.echo(f"{name} is set.")


@secret.command("list")
@session_option
@data_dir_option
def list_secrets(session: str | None, data_dir: Path | None) -> None:
    """Print the names."""
    with connect(data_dir) as client:
        for name in client.secrets(choose_session(client, session)):
            click.echo(name)


@secret.command("delete")
@click.argument("name")
@session_option
@data_dir_option
def delete_secret(name: str, session: str | None, data_dir: Path | None) -> None:
    """Delete a secret."""
    with connect(data_dir) as client:
        client.delete_secret(choose_session(client, session), name)
    click.echo(f"{name} is deleted.")


@click.command()
@click.option("--older-than", type=click.FloatRange(min=0), metavar="SECONDS", help="Default: the setting keep_runs.")
@data_dir_option
def cleanup(older_than: float | None, data_dir: Path | None) -> None:
    """Remove ended runs with their logs and artifacts; task lists stay."""
    with connect(data_dir) as client:
        click.echo(f"Runs removed: {client.cleanup(older_than)}")


@click.command()
@data_dir_option
def doctor(data_dir: Path | None) -> int:
    """Look at everything the server needs, and say what mends what is missing. Works without a server."""
    settings = load_settings(data_dir=data_dir)
    checks = _server_checks(settings) or _machine_checks(settings)
    for check in checks:
        click.echo(f"{'✓' if check['ok'] else '✗'} {check['name']}: {check['message']}")
        if check["hint"]:
            click.echo(f"    {check['hint']}")
    return ALL_WELL if all(check["ok"] for check in checks) else SOME_FAILED


def _server_checks(settings: Settings) -> list[Json]:
    """What a running server says of itself; nothing if there is none."""
    from bg_runner.client import Client

    try:
        with Client.of_settings(settings) as client:
            return [{"name": "Running server", "ok": True, "message": client.url, "hint": ""}, *client.doctor()]
    except ServerNotRunning:
        return []


def _machine_checks(settings: Settings) -> list[Json]:
    from bg_runner.web.doctor import check_machine

    running = {"name": "Running server", "ok": True, "message": "none", "hint": "Start it with: bg-runner serve"}
    return [running, *(check.model_dump() for check in check_machine(settings))]


ALL = (serve, run, status, stop, logs, link, secret, cleanup, doctor)
