"""A follower reads what a LogReader reads, whatever the writer does meanwhile, with one descriptor at most."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bg_runner.terminals.log_follower import LogFollower, Overtaken
from bg_runner.terminals.output import LogReader, LogWriter, delete_log

steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.binary(max_size=60)),
        st.tuples(st.just("read"), st.integers(0, 80)),
        st.tuples(st.just("jump"), st.integers(0, 400)),
        st.tuples(st.just("close"), st.none()),
        st.tuples(st.just("continue"), st.none()),
    ),
    max_size=60,
)


def descriptors_of(directory: Path) -> int:
    """How many descriptors of this process lead below `directory`."""
    links = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum(str(directory) in str(path.readlink()) for path in links)


@settings(deadline=None, max_examples=150)
@given(steps, st.integers(8, 300))
def test_a_follower_reads_what_was_written_or_is_told_where_to_go_on(
    actions: list[tuple[str, object]], log_bytes: int
) -> None:
    """The model: one long byte string. Only what the log has deleted may be missing, and only with `Overtaken`."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "log"
        reader, follower, model, cursor = LogReader(directory), LogFollower(directory), b"", 0
        log = LogWriter(directory, log_bytes)
        with follower:
            for action, value in actions:
                if action == "write":
                    assert isinstance(value, bytes)
                    log.write(value)
                    model += value
                elif action == "continue":
                    log.close()
                    log = LogWriter(directory, log_bytes)
                elif action == "close":
                    follower.close()
                elif action == "jump":
                    assert isinstance(value, int)
                    cursor = value
                else:
                    assert isinstance(value, int)
                    chunk = reader.read(cursor, value)
                    try:
                        data = follower.read(cursor, value)
                    except Overtaken as overtaken:
                        oldest = overtaken.cursor
                        assert cursor < oldest == chunk.oldest
                        cursor = oldest
                        continue
                    assert data == model[cursor : cursor + len(data)]
                    assert len(data) <= value
                    assert bool(data) == (value > 0 and cursor < len(model))
                    cursor += len(data)
            end = model[cursor:]
            log.close()
            found = b""
            while len(found) < len(end):
                try:
                    data = follower.read(cursor + len(found), 50)
                    assert data
                    found += data
                except Overtaken as overtaken:
                    end, cursor, found = model[overtaken.cursor :], overtaken.cursor, b""
            assert found == end


def test_one_descriptor_is_held_and_none_when_closed(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    with LogWriter(directory, 80) as log:
        log.write(b"0123456789" * 6)
    follower = LogFollower(directory)
    assert b"".join(follower.read(cursor) for cursor in range(0, 60, 10)) == b"0123456789" * 6
    assert descriptors_of(directory) == 1
    follower.close()
    follower.close()
    assert descriptors_of(directory) == 0
    assert follower.read(55) == b"56789"
    follower.close()


def test_a_log_that_does_not_exist_yet_or_any_more_is_empty(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    with LogFollower(directory) as follower:
        assert follower.read(0) == follower.read(7) == b""
        with LogWriter(directory) as log:
            log.write(b"abc")
        assert follower.read(0) == b"abc"
        delete_log(directory)
        assert follower.read(3) == b""
        assert descriptors_of(directory) == 0
        with LogWriter(directory) as log:
            log.write(b"another log")
        assert follower.read(3) == b"ther log"


def test_a_hole_that_a_crash_left_is_told(tmp_path: Path) -> None:
    with LogWriter(tmp_path, 80) as log:
        log.write(b"0123456789" * 3)
    os.truncate(tmp_path / f"{10:020d}.log", 4)
    with LogFollower(tmp_path) as follower:
        assert follower.read(5) == b"56789"
        assert follower.read(10) == b"0123"
        for cursor in (14, 17):
            with pytest.raises(Overtaken) as raised:
                follower.read(cursor)
            assert raised.value.cursor == 20
        assert follower.read(20) == b"0123456789"
