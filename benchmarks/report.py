"""Rows of the table that is printed at the end, and the machine that they were measured on."""

from __future__ import annotations

import os
import platform
import statistics
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Size = Literal["full", "small"]
HEADINGS = ("part", "what is measured", "ours", "peer", "ratio", "aim", "met")


@dataclass(frozen=True)
class Row:
    """One comparison. `ours` and `peer` are every round's value, in `unit`; the table shows their medians.

    `ratio` says how many times better we are than the peer (above 1: better); smaller values are better unless
    `more_is_better`.
    `met` is None where there is no aim. `note` explains a row, or why it could not be measured.
    """

    part: str
    what: str
    unit: str
    ours: Sequence[float] = ()
    peer: Sequence[float] = ()
    peer_name: str = ""
    aim: str = ""
    met: bool | None = None
    note: str = ""
    more: dict[str, float] = field(default_factory=dict)
    more_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        if not self.ours or not self.peer:
            return None
        ratio = median(self.peer) / median(self.ours)
        return 1 / ratio if self.more_is_better else ratio

    def cells(self) -> tuple[str, ...]:
        peer = f"{_number(self.peer, self.unit)} {self.peer_name}".strip() if self.peer else "-"
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else "-"
        met = "-" if self.met is None else "yes" if self.met else "NO"
        return (self.part, self.what, _number(self.ours, self.unit), peer, ratio, self.aim or "-", met)

    def as_json(self) -> dict[str, object]:
        medians = {"ours_median": median(self.ours), "peer_median": median(self.peer), "ratio": self.ratio}
        return asdict(self) | medians


def median(values: Sequence[float]) -> float:
    """NaN if there are none."""
    return statistics.median(values) if values else float("nan")


def in_turn(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Call the sides one after the other (A B A B ...), so that what else the machine does hits all of them alike."""
    values: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for collected, side in zip(values, sides, strict=True):
            collected.append(side())
    return values


def _number(values: Sequence[float], unit: str) -> str:
    return f"{median(values):,.4g} {unit}" if values else "-"


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table whose columns are aligned, the notes below it."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(HEADINGS))]
    padded = [
        "| " + " | ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    padded.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    notes = [f"- {row.part}, {row.what}: {row.note}" for row in rows if row.note]
    return "\n".join([*padded, *([""] if notes else []), *notes])


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def machine() -> dict[str, str]:
    """Where and when, and what else the machine did: a busy one shows in every number."""
    model = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if "model name" in line), "")
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S%z"),
        "cores": str(os.cpu_count()),
        "cpu": model or platform.processor(),
        "memory_gib": f"{memory / 2**20:.1f}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load_before": load(),
    }


def load() -> str:
    """Load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
