"""Resizing a libghostty-vt terminal so that it can be saved afterwards.

Where lines are cut and not wrapped anew (the alternate screen, and the primary one while autowrap is off), the library
leaves halves of wide characters at the new edge, and then its encoder refuses the terminal for good.
"""

from __future__ import annotations

from typing import Any

from pyghostty import ffi, lib

from bg_runner.terminals.emulator_cells import GhosttyCells, check
from bg_runner.terminals.emulator_state import State
from bg_runner.terminals.emulator_vt import SnapshotWriter

CELL_WIDTH, CELL_HEIGHT = 8, 16
_AUTOWRAP = 7
# Cleared when it is left.
_VISIT_ALTERNATE = b"\x1b[?1047h\x1b[?1047l"


def resize(terminal: Any, rows: int, cols: int, state: State) -> None:
    """`state` is what the terminal is now. Lines wrap anew also without autowrap, as in xterm.js."""
    if state.alternate and cols < state.cols:
        _erase_halves(terminal, cols, state)
    autowrap = state.mode(_AUTOWRAP)
    _set_autowrap(terminal, True)
    check(lib.ghostty_terminal_resize(terminal, cols, rows, CELL_WIDTH, CELL_HEIGHT))
    _set_autowrap(terminal, autowrap)


def clear_hidden(terminal: Any, state: State) -> None:
    """Clear the alternate screen, which nobody sees: nothing else can be done about halves there.

    `state` is what the terminal was before; a pending wrap is lost.
    """
    link = SnapshotWriter(state).link(state.screens[0])
    _write(terminal, (b"\x18" if state.continuation else b"") + _VISIT_ALTERNATE + link + state.continuation)


def _erase_halves(terminal: Any, cols: int, state: State) -> None:
    """The wide characters of the screen shown that would be cut."""
    cells = GhosttyCells(terminal, state.rows, state.cols)
    cut = [(row, cols - 1) for row in range(state.rows) if cells.is_wide(row, cols - 1)]
    if cut:
        writer = SnapshotWriter(state)
        _write(terminal, writer.erase(cut))
        _write(terminal, writer.place(cells))


def _set_autowrap(terminal: Any, value: bool) -> None:
    mode = ffi.new("GhosttyTerminalModeConfig*", {"mode": _AUTOWRAP, "value": value})
    check(lib.ghostty_terminal_set(terminal, lib.GHOSTTY_TERMINAL_OPT_MODE, mode))


def _write(terminal: Any, data: bytes) -> None:
    lib.ghostty_terminal_vt_write(terminal, data, len(data))
