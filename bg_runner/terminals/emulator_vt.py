"""The VT text of a snapshot: from the state and the cells of a terminal to bytes that make a reset terminal like it.

The order matters: cells are written while every mode is at its default, then come the things that move the cursor
(margins, origin mode), then the cursor itself, and last what changes how later output is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from bg_runner.terminals.emulator_state import Charsets, Cursor, ScreenState, State, sgr

# Line drawing of DEC special graphics: what stands in the cell for ` to ~ (VT220 manual, table 2-4).
_DEC_SPECIAL = dict(zip(map(chr, range(0x60, 0x7F)), "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True))
_DEC_SPECIAL_KEYS = {shown: key for key, shown in _DEC_SPECIAL.items()}
_ALTERNATE_MODES = (1049, 1047, 47)
_MOUSE_EVENTS = {1: 9, 2: 1000, 3: 1002, 4: 1003}
_MOUSE_FORMATS = {1: 1005, 2: 1006, 3: 1015, 4: 1016}
# Not set at the end like the others: they clear or resize the screen (3, 40 allows 3), save the cursor (1048), move it
# (6, 69), are grouped (mouse), choose the screen, come first (2027), or make the terminal report (2033, 2048).
_SPECIAL_MODES = {3, 6, 12, 40, 66, 69, 1048, 2026, 2027, 2033, 2048, 5522}
# Insert mode and no autowrap would spoil a character printed again.
_LATE_MODES = ((4, True), (7, False))
_SPECIAL_MODES |= {*_ALTERNATE_MODES, *_MOUSE_EVENTS.values(), *_MOUSE_FORMATS.values()}


class Row(NamedTuple):
    """VT text of a row without trailing blanks, and whether printing the next one goes on from it by wrapping."""

    text: bytes
    wraps: bool


class Cell(NamedTuple):
    """The column where a character begins, the character with its combining ones ("" for a blank), its style."""

    col: int
    text: str
    pen: bytes


class Cells(Protocol):
    """The cells of one screen as VT text; every piece begins and ends with the default pen."""

    def rows(self) -> list[Row]:
        """The active area, from the top."""

    def cell(self, row: int, col: int) -> Cell:
        """The character at or under this position."""


class SnapshotWriter:
    """Builds one snapshot; it remembers the pen, character sets and protection that it has set so far."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._parts: list[bytes] = []
        self._charsets = Charsets()

    def write(self, history: bytes | None, primary: Cells | None, active: Cells) -> bytes:
        """`history`: VT text of the scrollback, up to where the first row of the primary screen begins.

        `primary` is given while the alternate screen is shown, `active` is the screen that is shown.
        """
        state = self._state
        self._globals()
        if history is not None:
            self._add(history)
        if state.alternate:
            assert primary is not None
            self._rows(primary.rows(), streaming=history is not None)
            self._enter_alternate(primary)
            self._rows(active.rows(), streaming=False)
        else:
            self._rows(active.rows(), streaming=history is not None)
        self._finish(active)
        return self._take()

    def erase(self, places: Iterable[tuple[int, int]]) -> bytes:
        """For the terminal itself: erase cells (row, column); then comes `place`."""
        state = self._state
        screen = state.screens[1 if state.alternate else 0]
        self._add(b"\x18" if state.continuation else b"")
        self._add('\x1b[?6l\x1b[4l\x1b[?7h\x1b[m\x1b[0"q\x1b]8;;\x1b\\')
        for row, col in places:
            self._add(f"\x1b[{row + 1};{col + 1}H\x1b[X")
        self._charsets = screen.cursor.charsets
        self._set_charsets(Charsets())
        return self._take()

    def place(self, active: Cells) -> bytes:
        """For the terminal itself, after `erase`: put the cursor back, and what was unfinished."""
        if self._state.mode(6):
            self._add("\x1b[?6h")
        self._place(active, self._state.screens[1 if self._state.alternate else 0])
        self._add(self._state.continuation)
        return self._take()

    @staticmethod
    def link(screen: ScreenState) -> bytes:
        """OSC 8 for the hyperlink that is open."""
        if screen.hyperlink is None:
            return b""
        name, uri = screen.hyperlink
        return b"\x1b]8;" + (b"id=" + _string(name) if name else b"") + b";" + _string(uri) + b"\x1b\\"

    def _take(self) -> bytes:
        text = b"".join(self._parts)
        self._parts.clear()
        return text

    def _add(self, text: str | bytes) -> None:
        self._parts.append(text.encode() if isinstance(text, str) else text)

    def _globals(self) -> None:
        state = self._state
        if state.mode(2027):
            self._add("\x1b[?2027h")
        for (number, ansi), saved in state.saved_modes.items():
            default = state.default_modes[number, ansi]
            if saved != default and not ansi and number not in _SPECIAL_MODES:
                self._set_mode(number, ansi, saved)
                self._add(f"\x1b[?{number}s")
                self._set_mode(number, ansi, default)
        if state.tabs != tuple(range(8, state.cols, 8)):
            self._add("\x1b[3g" + "".join(f"\x1b[{col + 1}G\x1bH" for col in state.tabs) + "\r")
        for index, color in state.palette.items():
            self._add(f"\x1b]4;{index};{_rgb(color)}\x1b\\")
        for code, color in sorted(state.colors.items()):
            self._add(f"\x1b]{code};{_rgb(color)}\x1b\\")
        if state.title:
            self._add(b"\x1b]2;" + _string(state.title) + b"\x1b\\")
        if state.cwd:
            self._add(b"\x1b]7;" + _string(state.cwd) + b"\x1b\\")

    def _rows(self, rows: Iterable[Row], streaming: bool) -> None:
        """`streaming`: line after line, so that what came before scrolls up into the scrollback."""
        wrapped = True
        for number, (text, wraps) in enumerate(rows):
            if streaming:
                self._add(text if wrapped else b"\r\n" + text)
            elif text:
                self._add(text if wrapped else b"\x1b[%dH" % (number + 1) + text)
            wrapped = wraps

    def _enter_alternate(self, primary: Cells) -> None:
        """Leave the primary screen as the program left it, then clear the alternate screen without its pen."""
        state = self._state
        screen = state.screens[0]
        mode = next((mode for mode in _ALTERNATE_MODES if state.mode(mode)), 1049)
        if screen.saved is not None:
            self._cursor(primary, screen.saved)
            # 1049 itself saves the cursor.
            self._add("" if mode == 1049 else "\x1b7\x1b[?6l")
        if mode != 1049:
            self._cursor(primary, screen.cursor)
        self._keyboard(screen)
        self._add(f"\x1b[?{mode}h\x1b[?6l\x1b[m\x1b[H\x1b[2J")
        self._set_charsets(Charsets())
        self._add('\x1b[0"q')

    def _finish(self, active: Cells) -> None:
        state = self._state
        screen = state.screens[1 if state.alternate else 0]
        if screen.saved is not None:
            self._cursor(active, screen.saved)
            self._add('\x1b7\x1b[?6l\x1b[m\x1b[0"q')
        self._set_charsets(Charsets())
        self._margins()
        self._cursor_look(screen)
        self._keyboard(screen)
        if state.modify_other_keys:
            self._add("\x1b[>4;2m")
        self._modes()
        # From here on nothing may stand between a printed character and REP, which repeats it.
        self._place(active, screen)
        self._add(state.continuation)

    def _margins(self) -> None:
        state = self._state
        top, bottom, left, right = state.region
        if (top, bottom) != (0, state.rows - 1):
            self._add(f"\x1b[{top + 1};{bottom + 1}r")
        if state.mode(69):
            self._add(f"\x1b[?69h\x1b[{left + 1};{right + 1}s")
        if state.mode(6):
            self._add("\x1b[?6h")

    def _cursor(self, cells: Cells, cursor: Cursor) -> None:
        """Place a saved cursor, with full margins."""
        if cursor.origin:
            self._add("\x1b[?6h")
        self._move(cells, cursor)
        self._add(sgr(cursor.pen))
        self._set_charsets(cursor.charsets)
        if cursor.protected:
            self._add('\x1b[1"q')

    def _move(self, cells: Cells, cursor: Cursor, row: int = 0, col: int = 0) -> None:
        """Move to the cursor's position relative to (row, col); at a pending wrap print the last character again."""
        if cursor.pending_wrap:
            cell = cells.cell(cursor.row, cursor.col)
            self._add(f"\x1b[{cursor.row - row + 1};{cell.col - col + 1}H")
            self._add(sgr(cell.pen))
            self._add(cell.text or " ")
        else:
            self._add(f"\x1b[{cursor.row - row + 1};{cursor.col - col + 1}H")

    def _place(self, active: Cells, screen: ScreenState) -> None:
        """The final cursor."""
        state, cursor = self._state, screen.cursor
        row, col = (state.region[0], state.region[2] if state.mode(69) else 0) if state.mode(6) else (0, 0)
        late = [mode for mode in _LATE_MODES if state.modes[mode] != state.default_modes[mode]]
        self._move(active, cursor, row, col)
        self._add(sgr(cursor.pen))
        self._add(self.link(screen))
        if cursor.protected:
            self._add('\x1b[1"q')
        self._set_charsets(cursor.charsets)
        if not late and screen.hyperlink is None and not cursor.protected:
            self._repeatable(active, cursor, row, col)
        for number, ansi in late:
            self._set_mode(number, ansi, state.modes[number, ansi])
        if state.mode(2026):
            self._add("\x1b[?2026h")

    def _repeatable(self, active: Cells, cursor: Cursor, row: int, col: int) -> None:
        """Print the character before the cursor again, so that REP repeats it; xterm.js forgets it at any sequence."""
        if (cursor.col == 0 and not cursor.pending_wrap) or cursor.charsets.single_shift is not None:
            return
        cell = active.cell(cursor.row, cursor.col if cursor.pending_wrap else cursor.col - 1)
        # In the middle of a wide character nothing has just been printed.
        on_tail = not cursor.pending_wrap and active.cell(cursor.row, cursor.col).col != cursor.col
        text = "" if on_tail else cell.text
        used = cursor.charsets.sets[cursor.charsets.gl]
        if used == 3:
            text = "" if text in _DEC_SPECIAL else _DEC_SPECIAL_KEYS.get(text, text)
        elif used == 2 and text in "#£":
            text = ""
        if len(text) == 1 and (used < 2 or text.isascii()) and cell.pen == cursor.pen:
            self._add(f"\x1b[{cursor.row - row + 1};{cell.col - col + 1}H")
            self._add(text)

    def _set_charsets(self, wanted: Charsets) -> None:
        for slot, (old, new) in enumerate(zip(self._charsets.sets, wanted.sets, strict=True)):
            # UTF-8 (0) and ASCII (1) show the same.
            if max(old, 1) != max(new, 1):
                self._add(f"\x1b{'()*+'[slot]}{'BBA0'[new]}")
        if self._charsets.gl != wanted.gl:
            self._add(("\x0f", "\x0e", "\x1bn", "\x1bo")[wanted.gl])
        if self._charsets.gr != wanted.gr and wanted.gr:
            self._add(("", "\x1b~", "\x1b}", "\x1b|")[wanted.gr])
        if wanted.single_shift in (2, 3):
            self._add("\x1bN" if wanted.single_shift == 2 else "\x1bO")
        self._charsets = wanted

    def _keyboard(self, screen: ScreenState) -> None:
        """The kitty keyboard protocol's stack of flags."""
        first, *pushed = screen.keyboard
        if first:
            self._add(f"\x1b[={first};1u")
        for flags in pushed:
            self._add(f"\x1b[>{flags}u")

    def _cursor_look(self, screen: ScreenState) -> None:
        blinking = self._state.mode(12)
        if not self._state.default_shape:
            style = {0: 6, 2: 4}.get(screen.shape, 2)
            self._add(f"\x1b[{style - blinking} q")
        elif blinking:
            self._add("\x1b[?12h")

    def _modes(self) -> None:
        state = self._state
        if state.mode(66):
            self._add("\x1b=")
        for (number, ansi), value in state.modes.items():
            special = (number, ansi) in _LATE_MODES if ansi or number == 7 else number in _SPECIAL_MODES
            if value != state.default_modes[number, ansi] and not special:
                self._set_mode(number, ansi, value)
        self._group(_MOUSE_EVENTS, state.mouse_event)
        self._group(_MOUSE_FORMATS, state.mouse_format)

    def _group(self, group: dict[int, int], current: int) -> None:
        """Modes that exclude each other: the one set last counts, and resetting any ends the effect of all."""
        chosen = group.get(current)
        others = [mode for mode in group.values() if self._state.mode(mode) and mode != chosen]
        for mode in others:
            self._set_mode(mode, False, True)
        if chosen is not None:
            self._set_mode(chosen, False, True)
        elif others:
            unset = next(mode for mode in group.values() if not self._state.mode(mode))
            self._set_mode(unset, False, False)

    def _set_mode(self, number: int, ansi: bool, value: bool) -> None:
        self._add(f"\x1b[{'' if ansi else '?'}{number}{'h' if value else 'l'}")


def _rgb(color: bytes) -> str:
    return "rgb:{:02x}/{:02x}/{:02x}".format(*color)


def _string(text: bytes) -> bytes:
    """The payload of an OSC: nothing in it may end it."""
    return bytes(byte for byte in text if byte >= 0x20 and byte != 0x7F)
