"""Secrets in a log are blanked out wherever a read cuts them; cursors stay right."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bg_runner.tasks.masking import MaskedLog, secret_names
from bg_runner.tasks.models import BrowserTask, ShellTask
from bg_runner.terminals.output import LogReader, LogWriter, delete_log

SECRET = "hunter2\nof säckingen"
SHOWN = "hunter2\r\nof säckingen".encode()


def write(directory: Path, data: bytes) -> None:
    with LogWriter(directory) as log:
        log.write(data)


def test_the_secrets_of_a_task() -> None:
    shell = ShellTask.model_validate({"command": "x", "env": {"A": "plain", "B": {"secret": "TOKEN"}}})
    change = {"type": "change", "selectors": ["#pw"], "value": {"secret": "PASSWORD"}}
    assert secret_names(shell) == {"TOKEN"}
    assert secret_names(BrowserTask.model_validate({"path": [change]})) == {"PASSWORD"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(around=st.tuples(st.binary(max_size=40), st.binary(max_size=40)), size=st.integers(1, 80))
def test_pieces_of_any_size_never_show_it(tmp_path: Path, around: tuple[bytes, bytes], size: int) -> None:
    directory = tmp_path / "log"
    data = around[0] + SHOWN + around[1] + b"end\n"
    write(directory, data)
    masked, cursor, read = MaskedLog(directory, [SECRET]), 0, b""
    while cursor < len(data):
        chunk = masked.read(cursor, size)
        assert chunk.cursor == cursor
        assert chunk.data
        read += chunk.data
        cursor = chunk.next
    delete_log(directory)
    assert len(read) == len(data)
    assert SHOWN not in read
    assert read == data.replace(SHOWN, b"*" * len(SHOWN))


def test_what_may_become_a_secret_is_held_back_until_it_is_clear(tmp_path: Path) -> None:
    masked = MaskedLog(tmp_path / "log", ["abcdef"])
    with LogWriter(tmp_path / "log") as log:
        log.write(b"x abc")
        assert masked.read(0).data == b"x "
        log.write(b"def y")
        assert masked.read(2).data == b"****** y"
        log.write(b" abcd\n")
        assert masked.tail(6).data == b" abcd\n"
        log.write(b"a")
    assert masked.tail(2).data == b"\n"
    assert MaskedLog(tmp_path / "log", ["abcdef"], growing=False).tail(2).data == b"\na"


def test_without_secrets_it_reads_like_any_log(tmp_path: Path) -> None:
    write(tmp_path / "log", b"abc")
    assert MaskedLog(tmp_path / "log", []).read(1) == LogReader(tmp_path / "log").read(1)
