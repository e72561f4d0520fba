"""Patterns from strangers, and the search for one in a log that grows."""

from __future__ import annotations

import re
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bg_runner.errors import InvalidPattern
from bg_runner.terminals.line_search import LineSearch
from bg_runner.terminals.lines import Lines
from bg_runner.terminals.output import LogWriter
from bg_runner.terminals.patterns import MAX_PATTERN, compile_pattern

OUTPUT = "$ make\r\n 10%\r 99%\r100%\r\n\x1b[32m编译完成\x1b[0m: \x1b]0;title\x07ok\r\nuser@host:~$ ".encode()


@pytest.mark.parametrize(
    "bad",
    [
        *["", "(", "[a-z", "*", r"\1(a)", "(?=a)", "(?<!a)b", "a{1001}", "((a{100}){100}){100}", "\ud800"],
        "x" * (MAX_PATTERN + 1),
        "(" * 500,
        r"(\pL{100}){9}" * 9,
    ],
)
def test_a_bad_pattern_is_refused_and_says_why(bad: str) -> None:
    with pytest.raises(InvalidPattern) as refused:
        compile_pattern(bad)
    assert (refused.value.code, refused.value.status) == ("INVALID_PATTERN", 422)
    assert refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "(a*)*b", "(.*){50}b", "a*a*a*a*a*a*b", "(?i)^(([a-z])+.)+[A-Z]$"]
)
def test_patterns_that_would_run_for_ever_elsewhere_end(pattern: str) -> None:
    assert compile_pattern(pattern).search("a" * 60_000 + "!") is None


@given(st.text(alphabet="ab中é\n ", max_size=40))
def test_a_match_is_where_python_finds_it(text: str) -> None:
    for pattern in ("b+", "中.", "é|a$", r"\s中"):
        ours, theirs = compile_pattern(pattern).search(text), re.search(pattern.replace("$", r"\Z"), text)
        assert (ours and (ours.start(), ours.end(), ours.group())) == (
            theirs and (theirs.start(), theirs.end(), theirs.group())
        )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, len(OUTPUT)), max_size=12))
def test_wherever_output_is_cut_the_line_is_found(cuts: list[int]) -> None:
    """Also in the middle of a character or of an escape sequence, and nothing is found that no line shows."""
    wanted = {r"^100%$": "100%", "编译完成: ok$": "编译完成: ok", r"\$ $": "user@host:~$ ", "^\\$ make$": "$ make"}
    edges = [0, *sorted(cuts), len(OUTPUT)]
    with tempfile.TemporaryDirectory() as name:
        lines = Lines(Path(name) / "log", 100)
        searches = {pattern: LineSearch(lines, pattern, 0) for pattern in [*wanted, "title"]}
        found: dict[str, str | None] = {}
        with LogWriter(Path(name) / "log") as log:
            for begin, end in pairwise(edges):
                log.write(OUTPUT[begin:end])
                for pattern, search in searches.items():
                    found[pattern] = found.get(pattern) or search.look()
    for pattern, line in wanted.items():
        assert found[pattern] is not None
        assert re.search(pattern, line)
        assert re.search(pattern, found[pattern] or "")
    assert found["title"] is None


def test_only_lines_from_the_wanted_one_on_are_searched(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log") as log:
        log.write(b"match 0\nmatch 1\nmatch 2\n")
        lines = Lines(tmp_path / "log", 2)
        assert LineSearch(lines, "match", None).look() == "match 1"
        assert LineSearch(lines, "match", 2).look() == "match 2"
        search = LineSearch(lines, "match", 3)
        assert search.look() is None
        log.write(b"mat")
        assert search.look() is None
        log.write(b"ch 3")
        assert search.look() == "match 3"
