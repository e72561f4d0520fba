"""Mouse, touch and network emulation of one page through the DevTools protocol: what Playwright's own API lacks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from bg_runner.tasks.steps import EmulateNetworkConditions, SetViewport

BUTTONS = {
    "primary": ("left", 1),
    "secondary": ("right", 2),
    "auxiliary": ("middle", 4),
    "back": ("back", 8),
    "forward": ("forward", 16),
}
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}
# Keys that the Recorder's runner knows and Playwright does not: what the page is told, and Windows' key code.
RARE_KEYS = {
    "\r": ("Enter", 13),
    "\n": ("Enter", 13),
    "Power": ("Power", 0),
    "Eject": ("Eject", 0),
    "Abort": ("Cancel", 3),
    "Cancel": ("Cancel", 3),
    "Help": ("Help", 6),
    "Convert": ("Convert", 28),
    "NonConvert": ("NonConvert", 29),
    "Accept": ("Accept", 30),
    "ModeChange": ("ModeChange", 31),
    "Select": ("Select", 41),
    "Print": ("Print", 42),
    "Open": ("Execute", 43),
    "Execute": ("Execute", 43),
    "Camera": ("Camera", 44),
    "EndCall": ("EndCall", 95),
    **{f"F{number}": (f"F{number}", 111 + number) for number in range(13, 25)},
    "MediaStop": ("MediaStop", 178),
    "VolumeDown": ("VolumeDown", 182),
    "VolumeUp": ("VolumeUp", 183),
    "NumpadEqual": ("=", 187),
    "Attn": ("Attn", 246),
    "Props": ("CrSel", 247),
    "CrSel": ("CrSel", 247),
    "ExSel": ("ExSel", 248),
    "EraseEof": ("EraseEof", 249),
    "Play": ("Play", 250),
    "ZoomOut": ("ZoomOut", 251),
    "SoftLeft": ("SoftLeft", 0),
    "SoftRight": ("SoftRight", 0),
    "Call": ("Call", 0),
}
# Where those are on the keyboard (`code`), unless under their own name or nowhere.
PLACES = {"\r": "Enter", "\n": "Enter", "Cancel": "Abort", "Execute": "Open", "CrSel": "Props"}
NO_PLACE = frozenset({"Accept", "ModeChange", "Print", "Attn", "ExSel", "EraseEof", "Play", "ZoomOut"})


@dataclass(frozen=True)
class Press:
    """How a pointer is pressed; `hold` is in seconds, None not at all."""

    button: str = "primary"
    device: str = "mouse"
    times: int = 1
    hold: float | None = None


class PageInput:
    """The pointer of one page, and what it emulates. `modifiers` are the keys held down on its keyboard."""

    def __init__(self, page: Page, session: CDPSession, *, mobile: bool, has_touch: bool) -> None:
        self._page = page
        self._session = session
        self._screen = (mobile, has_touch)
        self.modifiers = 0

    @classmethod
    async def of(cls, page: Page, *, mobile: bool, has_touch: bool) -> PageInput:
        session = await page.context.new_cdp_session(page)
        # As the Recorder's runner does: no pop-up of a colour or date field opens under a click.
        with contextlib.suppress(PlaywrightError):
            await session.send("Emulation.setAutomationOverride", {"enabled": True})
        return cls(page, session, mobile=mobile, has_touch=has_touch)

    @property
    def session(self) -> CDPSession:
        return self._session

    async def key_down(self, key: str) -> None:
        self.modifiers |= _modifier(key)
        if not await _known(self._page.keyboard.down(key), key):
            await self._rare_key("keyDown", key)

    async def key_up(self, key: str) -> None:
        self.modifiers &= ~_modifier(key)
        if not await _known(self._page.keyboard.up(key), key):
            await self._rare_key("keyUp", key)

    async def _rare_key(self, kind: str, name: str) -> None:
        """A key that Playwright does not know: one of `RARE_KEYS`, or a character of another keyboard."""
        key, code = RARE_KEYS.get(name, (name, 0))
        text = "\r" if key == "Enter" else key
        place = "" if name in NO_PLACE or name not in RARE_KEYS else PLACES.get(name, name)
        event = {"type": kind, "key": key, "code": place, "windowsVirtualKeyCode": code, "modifiers": self.modifiers}
        if kind == "keyDown":
            event |= {"text": text} if len(text) == 1 else {"type": "rawKeyDown"}
        await self._session.send("Input.dispatchKeyEvent", event)

    async def move(self, x: float, y: float) -> None:
        await self._mouse("mouseMoved", x, y, {"button": "none", "buttons": 0})

    async def press(self, x: float, y: float, press: Press) -> None:
        """Move there and press: as a finger if the page emulates touch and the step was recorded so, else as a mouse
        or pen."""
        if press.device == "touch" and self._screen[1]:
            await self._tap(x, y, press)
            return
        button, flag = BUTTONS[press.button]
        pointer = "pen" if press.device == "pen" else "mouse"
        await self._mouse("mouseMoved", x, y, {"button": "none", "buttons": 0, "pointerType": pointer})
        for count in range(1, press.times + 1):
            common = {"button": button, "clickCount": count, "pointerType": pointer}
            await self._mouse("mousePressed", x, y, {**common, "buttons": flag})
            if press.hold is not None and count == press.times:
                await asyncio.sleep(press.hold)
            await self._mouse("mouseReleased", x, y, {**common, "buttons": 0})

    async def _tap(self, x: float, y: float, press: Press) -> None:
        for _ in range(press.times):
            points = [{"x": round(x), "y": round(y)}]
            await self._touch("touchStart", points)
            if press.hold is not None:
                await asyncio.sleep(press.hold)
            await self._touch("touchEnd", [])

    async def _mouse(self, kind: str, x: float, y: float, more: dict[str, Any]) -> None:
        event = {"type": kind, "x": x, "y": y, "modifiers": self.modifiers, **more}
        await self._session.send("Input.dispatchMouseEvent", event)

    async def _touch(self, kind: str, points: list[dict[str, int]]) -> None:
        event = {"type": kind, "touchPoints": points, "modifiers": self.modifiers}
        await self._session.send("Input.dispatchTouchEvent", event)

    async def network(self, step: EmulateNetworkConditions) -> None:
        await self._session.send("Network.enable")
        await self._session.send(
            "Network.emulateNetworkConditions",
            {
                "offline": not step.download and not step.upload,
                "downloadThroughput": step.download,
                "uploadThroughput": step.upload,
                "latency": step.latency,
            },
        )

    async def viewport(self, step: SetViewport) -> None:
        """Take on the size, density and kind of screen; a change between desktop and mobile loads the page again."""
        await self._page.set_viewport_size({"width": step.width, "height": step.height})
        portrait = {"angle": 0, "type": "portraitPrimary"}
        metrics = {
            "width": step.width,
            "height": step.height,
            "deviceScaleFactor": step.deviceScaleFactor,
            "mobile": step.isMobile,
            "screenOrientation": {"angle": 90, "type": "landscapePrimary"} if step.isLandscape else portrait,
        }
        await self._session.send("Emulation.setDeviceMetricsOverride", metrics)
        await self._session.send("Emulation.setTouchEmulationEnabled", {"enabled": step.hasTouch})
        before, self._screen = self._screen, (step.isMobile, step.hasTouch)
        if before != self._screen and self._page.url != "about:blank":
            await self._page.reload()


def _modifier(key: str) -> int:
    """The modifier of a key's name or code (`Shift`, `ShiftLeft`), as the protocol counts them; 0 if it is none."""
    return MODIFIERS.get(key.removesuffix("Left").removesuffix("Right"), 0)


async def _known(pressing: Awaitable[None], key: str) -> bool:
    """Press it; False if Playwright does not know it and we do. Raises: PlaywrightError."""
    try:
        await pressing
    except PlaywrightError as error:
        if "Unknown key" in error.message and (key in RARE_KEYS or len(key) == 1):
            return False
        raise
    return True
