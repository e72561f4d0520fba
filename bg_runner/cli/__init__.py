"""The command line: `bg-runner serve | run | status | stop | logs | link | secret | cleanup | doctor`, and for
terminals `ls | new | attach | kill | share | rec`.

Exit status: 0 all is well, 1 something failed, 2 the command was refused or misused, 130 Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from bg_runner import __version__
from bg_runner.cli import commands, terminals
from bg_runner.errors import BgRunnerError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bg-runner")
def cli() -> None:
    """Runs lists of browser and shell tasks that go on when the browser tab is closed.

    Start the server with `bg-runner serve`; every other command talks to it. Settings come from the environment
    (BG_RUNNER_...) and from the file .env in the data directory.
    """


for command in (*commands.ALL, *terminals.ALL):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. An expected error is its code, message and hint on stderr, never a traceback."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    try:
        status = cli.main(None if arguments is None else list(arguments), prog_name="bg-runner", standalone_mode=False)
        sys.stdout.flush()
    except BgRunnerError as error:
        return _say(f"{error.code}: {error.message}", error.hint)
    except (ValidationError, SettingsError) as error:
        return _say(f"INVALID_SETTING: {_wrong_settings(error)}", "docs/settings.md describes every setting.", status=2)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)
        return INTERRUPTED
    except BrokenPipeError:  # `bg-runner logs ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status if isinstance(status, int) else 0


def _say(message: str, hint: str, status: int = 1) -> int:
    click.echo(message, err=True)
    if hint:
        click.echo(hint, err=True)
    return status


def _wrong_settings(error: ValidationError | SettingsError) -> str:
    """Each wrong setting by the name of its variable; never its value, which may be the token."""
    if isinstance(error, SettingsError):
        return str(error)
    problems = error.errors(include_input=False, include_url=False)
    return "; ".join(f"BG_RUNNER_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in problems)
