"""Runs in the window of a screen session, in place of the tool: starts it and writes down how it ended.

GNU screen tells nobody a window's exit code. Run as `python -I -S screen_window.py RECORD ARGV`, ARGV being a JSON list
(screen itself would drop every word after the 63rd); standard library only, and little of it, because it starts with
every session.
"""

import contextlib
import json
import os
import signal
import sys

NOT_FOUND, NOT_RUNNABLE = 127, 126


def main(record: str, argv: list[str]) -> int:
    """Returns the tool's code, or 128 + its signal, as shells do."""
    # Keys reach the whole foreground group: they are the tool's. Handlers, because ignoring would be inherited.
    for key in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(key, lambda *_: None)
    passed_on = {signal.SIGHUP, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)
    about: dict[str, int | bool | None] = {"wrapper": os.getpid(), "ended": False, "code": None, "signal": None}
    try:
        child = os.posix_spawnp(argv[0], argv, os.environ, setsigmask=[], setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\r\n")
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
        write(record, about | {"pid": os.getpid(), "ended": True, "code": code})
        return code
    about["pid"] = child
    write(record, about)
    for signum in passed_on:
        signal.signal(signum, lambda number, _: pass_on(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)
    write(record, about | {"ended": True, "code" if status >= 0 else "signal": abs(status)})
    return status if status >= 0 else 128 - status


def pass_on(child: int, number: int) -> None:
    """The kernel tells only the session's leader, which is this process, that the terminal is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def write(record: str, about: dict[str, int | bool | None]) -> None:
    """Replace the record durably: old or new, never a mix (see bg_runner/files.py)."""
    if not os.path.exists(record):  # noqa: PTH110 (the session was killed and forgotten; pathlib starts slowly)
        return
    temporary = f"{record}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="ascii") as file:  # noqa: PTH123
        json.dump(about, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, record)  # noqa: PTH105
    directory = os.open(os.path.dirname(record), os.O_RDONLY)  # noqa: PTH120
    os.fsync(directory)
    os.close(directory)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
