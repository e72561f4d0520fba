"""A snapshot in xterm.js, the terminal of the page: the same screen, cell by cell, as if it had seen everything."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from bg_runner.terminals.emulator import load_emulator, new_emulator

CORPUS = Path(__file__).parents[1] / "corpus"
SCRIPT = Path(__file__).with_name("xterm_screens.mjs")
ROWS, COLS = 24, 80
CUTS = 6
# EL straight after the last column was written erases that column in xterm and libghostty, but nothing in xterm.js.
ERASES_AT_THE_EDGE = {"top"}


def in_xterm(node: str, jobs: list[list[bytes]]) -> list[dict[str, Any]]:
    """What xterm.js shows after each list of pieces."""
    encoded = [
        {"rows": ROWS, "cols": COLS, "pieces": [base64.b64encode(piece).decode() for piece in pieces]}
        for pieces in jobs
    ]
    done = subprocess.run(
        [node, str(SCRIPT)], input=json.dumps(encoded), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def differing_cells(one: list[list[str]], other: list[list[str]], cols: int) -> list[tuple[int, int, str, str]]:
    """The first few: row, column, both cells."""
    return [
        (row, col, one[row][col], other[row][col])
        for row in range(ROWS)
        for col in range(cols)
        if one[row][col] != other[row][col]
    ][:5]


@pytest.mark.parametrize("recording", sorted(path.stem for path in CORPUS.glob("*.z")))
def test_screen_after_a_snapshot_is_the_same(node_path: str, recording: str) -> None:
    data = zlib.decompress((CORPUS / f"{recording}.z").read_bytes())
    source = new_emulator(ROWS, COLS)
    jobs = [[data]]
    at = 0
    cuts = sorted(random.Random(recording).sample(range(1, len(data)), CUTS))
    for cut in [*cuts, len(data)]:
        source.feed(data[at:cut])
        at = cut
        source = load_emulator(source.dump())
        jobs += [[source.snapshot(True), data[cut:]], [source.snapshot(False), data[cut:]]]
    direct, *others = in_xterm(node_path, jobs)
    for number, other in enumerate(others):
        cut = [*cuts, len(data)][number // 2]
        assert differing_cells(direct["cells"], other["cells"], COLS - (recording in ERASES_AT_THE_EDGE)) == [], cut
        for part in ("x", "y", "type", "title", "modes", "normal"):
            assert other[part] == direct[part], (part, cut)
        if number % 2 == 0:
            assert other["history"] == direct["history"], cut


def test_a_snapshot_makes_the_browser_say_nothing(node_path: str) -> None:
    """Only focus reports, which are asked for by mode 1004 itself, may come; a headless terminal has no focus."""
    source = new_emulator(ROWS, COLS)
    answers = source.feed(
        b"\x1b[c\x1b[6n\x1b[?2004$p\x1b]10;?\x07\x1b[18t\x1b[>q\x1bP$qm\x1b\\\x1b[?2048h\x1b[?2031h\x1b[?1004h"
    )
    assert answers
    (shown,) = in_xterm(node_path, [[source.snapshot(True)]])
    assert shown["sent"] == []
