"""The command line: `bg-runner serve | run | status | stop | logs | link | secret | cleanup | doctor`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from bg_runner import __version__
from bg_runner.errors import BgRunnerError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bg-runner")
def cli() -> None:
    """Runs lists of browser and shell tasks that go on when the browser tab is closed."""


@cli.command()
@click.option("--host", help="Address to bind (127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to bind (8000); 0 takes a free one.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where state, logs and secrets are kept.")
@click.option("--behind-proxy", is_flag=True, default=None, help="A proxy in front adds TLS.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Certificate file (PEM).")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Key file (PEM).")
def serve(**options: object) -> None:
    """Start the server; it prints an address that logs you in."""
    from bg_runner.settings import load_settings
    from bg_runner.web.serve import serve as serve_until_signal

    settings = load_settings(**options)
    from bg_runner.app import build

    serve_until_signal(settings, build)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. An expected error is its code, message and hint on stderr, never a traceback."""
    try:
        cli.main(args=None if arguments is None else list(arguments), prog_name="bg-runner", standalone_mode=True)
    except BgRunnerError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        if error.hint:
            print(error.hint, file=sys.stderr)
        sys.exit(1)
