"""What a program says about itself in OSC sequences: title, working directory, progress, where commands begin and end.

OSC 0 and 2 (title) and their terminators: xterm's control sequences. OSC 7: `file://host/path`. OSC 9;4: ConEmu's
progress. OSC 133: FinalTerm's prompt marks. 8-bit C1 controls are not taken: they are parts of UTF-8 characters.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

MAX_TEXT = 256
MAX_PATH = 4096
# Longer sequences (clipboards, images) are none of ours.
_LONGEST = 8 * 1024

Kind = Literal["title", "cwd", "progress", "prompt", "command", "output", "done"]

# Where a string begins, and where it ends: BEL ends an OSC only; ESC, CAN and SUB end every string.
_START = re.compile(rb"\x1b[\]PX^_]")
_END_OSC = re.compile(rb"[\x07\x18\x1a\x1b]")
_END_OTHER = re.compile(rb"[\x18\x1a\x1b]")
_PROGRESS = re.compile(rb"4;([0-4])(?:;(\d{1,3})?)?;?")
_MARKS: dict[bytes, Kind] = {b"A": "prompt", b"B": "command", b"C": "output", b"D": "done"}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class OscEvent(NamedTuple):
    """One thing that was said.

    `text`: the title, the path, or the state of the progress ("0" none, "1" normal, "2" error, "3" indeterminate,
    "4" paused; see ConEmu). `code`: the percentage of the progress or the exit code of a command, if given.
    `offset`: bytes from the scanner's start to the end of the sequence.
    """

    kind: Kind
    text: str
    code: int | None
    offset: int


class OscScanner:
    """Finds the sequences in a stream that is cut anywhere. Keeps at most 8 KiB."""

    def __init__(self) -> None:
        self._offset = 0
        # What of an unfinished sequence has come; None outside of one.
        self._string: bytearray | None = None
        self._is_osc = False
        self._escape = False

    def feed(self, data: bytes) -> list[OscEvent]:
        """The events whose sequences end in `data`."""
        events: list[OscEvent] = []
        at = self._after_escape(data, events) if self._escape and data else 0
        while at < len(data):
            at = self._outside(data, at) if self._string is None else self._inside(data, at, events)
        self._offset += len(data)
        return events

    def _after_escape(self, data: bytes, events: list[OscEvent]) -> int:
        """The byte after an ESC that was the last byte of the piece before; inside a string it may be ST."""
        self._escape = False
        if self._string is not None:
            if data[:1] == b"\\":
                self._finish(1, events)
                return 1
            self._string = None
        if data[:1] in (b"]", b"P", b"X", b"^", b"_"):
            self._begin(data[:1])
            return 1
        self._escape = data[:1] == b"\x1b" and len(data) == 1
        return 0

    def _outside(self, data: bytes, at: int) -> int:
        start = _START.search(data, at)
        if start is None:
            self._escape = data.endswith(b"\x1b")
            return len(data)
        self._begin(start[0][1:])
        return start.end()

    def _begin(self, introducer: bytes) -> None:
        self._string = bytearray()
        self._is_osc = introducer == b"]"

    def _inside(self, data: bytes, at: int, events: list[OscEvent]) -> int:
        assert self._string is not None
        end = (_END_OSC if self._is_osc else _END_OTHER).search(data, at)
        if self._is_osc and len(self._string) <= _LONGEST:
            self._string += data[at : min(end.start() if end else len(data), at + _LONGEST + 1)]
        if end is None:
            return len(data)
        if end[0] == b"\x07":
            self._finish(end.end(), events)
        elif end[0] != b"\x1b":
            self._string = None
        elif end.end() == len(data):
            self._escape = True
        elif data[end.end()] == 0x5C:
            self._finish(end.end() + 1, events)
            return end.end() + 1
        else:
            # Any other sequence ends the string without effect, and may be the next string.
            self._string = None
            return end.start()
        return end.end()

    def _finish(self, end: int, events: list[OscEvent]) -> None:
        string, self._string = self._string, None
        if string is None or not self._is_osc or len(string) > _LONGEST:
            return
        event = _event(bytes(string), self._offset + end)
        if event is not None:
            events.append(event)


def clean(raw: bytes, limit: int = MAX_TEXT) -> str:
    """Untrusted text for people: no control or direction-changing characters, at most `limit` characters."""
    return _CONTROLS.sub("", raw.decode("utf-8", "replace"))[:limit].strip()


def _event(string: bytes, offset: int) -> OscEvent | None:
    number, _, rest = string.partition(b";")
    if number in (b"0", b"2"):
        return OscEvent("title", clean(rest), None, offset)
    if number == b"7":
        path = _path(rest)
        return OscEvent("cwd", path, None, offset) if path else None
    if number == b"9":
        return _progress(rest, offset)
    if number == b"133":
        return _mark(rest, offset)
    return None


def _path(url: bytes) -> str:
    """The path of `file://host/path`, percent-decoded; empty if it is none. Which host it names does not matter."""
    if not url.startswith(b"file://"):
        return ""
    host, slash, path = url[len(b"file://") :].partition(b"/")
    if not slash or len(host) > 255:
        return ""
    text = (b"/" + unquote_to_bytes(path)).decode("utf-8", "replace")
    return "" if _CONTROLS.search(text) or len(text) > MAX_PATH else text


def _progress(rest: bytes, offset: int) -> OscEvent | None:
    found = _PROGRESS.fullmatch(rest)
    if found is None:
        return None
    percent = min(100, int(found[2])) if found[2] else None
    return OscEvent("progress", found[1].decode(), percent, offset)


def _mark(rest: bytes, offset: int) -> OscEvent | None:
    mark, *options = rest.split(b";")
    kind = _MARKS.get(mark)
    if kind is None:
        return None
    code = None
    if kind == "done" and options and re.fullmatch(rb"-?\d{1,10}", options[0]):
        code = int(options[0])
    return OscEvent(kind, "", code, offset)
