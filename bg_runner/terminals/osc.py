"""Title, directory, progress and command marks out of a terminal's output (a first version by the lead; helper A: replace it)."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

_OSC = re.compile(rb"\x1b\](\d+);([^\x07\x1b]*)(?:\x07|\x1b\\)")
LONGEST = 4096


class OscEvent(NamedTuple):
    kind: Literal["title", "cwd", "progress", "prompt", "command", "output", "done"]
    text: str
    code: int | None
    offset: int


class OscScanner:
    def __init__(self) -> None:
        self._rest = b""
        self._offset = 0

    def feed(self, data: bytes) -> list[OscEvent]:
        buffer = self._rest + data
        base = self._offset - len(self._rest)
        events: list[OscEvent] = []
        end = 0
        for match in _OSC.finditer(buffer):
            end = match.end()
            event = _event(int(match[1]), match[2].decode("utf-8", "replace"), base + end)
            if event is not None:
                events.append(event)
        start = buffer.rfind(b"\x1b]", end)
        self._rest = buffer[start:][:LONGEST] if start >= 0 else b"\x1b" if buffer.endswith(b"\x1b") else b""
        self._offset += len(data)
        return events


def _event(number: int, text: str, offset: int) -> OscEvent | None:
    if number in (0, 2):
        return OscEvent("title", "".join(c for c in text if c.isprintable())[:256], None, offset)
    if number == 7:
        return OscEvent("cwd", unquote(urlsplit(text).path), None, offset)
    if number == 9 and text.startswith("4;"):
        return OscEvent("progress", text[2:], None, offset)
    if number == 133 and text[:1] in "ABCD" and text:
        kind: Literal["prompt", "command", "output", "done"] = {"A": "prompt", "B": "command", "C": "output", "D": "done"}[
            text[0]
        ]  # type: ignore[assignment]
        code = text.split(";")[1] if ";" in text else ""
        return OscEvent(kind, "", int(code) if code.isdigit() else None, offset)
    return None
