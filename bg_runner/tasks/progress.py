"""How far a shell command is: from OSC 9;4 if it says so itself, else from the last percentage it printed."""

from __future__ import annotations

import re

_OSC_PROGRESS = re.compile(rb"\x1b\]9;4;([0-4])(?:;(\d{1,3}))?(?:\x07|\x1b\\)")
_PERCENT = re.compile(rb"(?<![\d.])(\d{1,3}(?:\.\d{1,3})?) ?%")
_LONGEST = 64


class ProgressParser:
    """Feed it the output in pieces of any size; `percent` is 0-100, or None while unknown.

    OSC 9;4;state;percent is what systemd, cargo and winget emit and Windows Terminal, Ghostty and WezTerm show:
    state 0 removes the bar, 1 sets it, 2 is an error, 3 indeterminate, 4 paused. Once a program has emitted it,
    percentages in its text count no more.
    """

    def __init__(self) -> None:
        self.percent: float | None = None
        self._explicit = False
        self._rest = b""

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        self._rest = data if len(data) <= _LONGEST else data[-_LONGEST:].lstrip(b"0123456789.")
        for explicit in _OSC_PROGRESS.finditer(data):
            self._explicit = True
            self.percent = self._of_state(explicit[1], explicit[2])
        if not self._explicit:
            self._from_text(data)

    def _of_state(self, state: bytes, percent: bytes | None) -> float | None:
        if state in (b"0", b"3"):
            return None
        if percent is None:
            return self.percent
        return float(min(100, int(percent)))

    def _from_text(self, data: bytes) -> None:
        found = [float(match[1]) for match in _PERCENT.finditer(data)]
        valid = [value for value in found if value <= 100]
        if valid:
            self.percent = valid[-1]
