"""The steps of a browser task: Chrome DevTools Recorder JSON (@puppeteer/replay, src/Schema.ts).

Unknown fields of a step are kept, so that an export of a newer Recorder survives a round trip; unknown types are
refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Selector = str | Annotated[list[str], Field(min_length=1)]
Selectors = Annotated[list[Selector], Field(min_length=1)]


class Secret(BaseModel):
    """A value that is looked up by name when the task runs; see tasks/secrets.py."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")


class AssertedNavigation(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: Literal["navigation"]
    url: str | None = None
    title: str | None = None


class BaseStep(BaseModel):
    """`timeout` is in milliseconds, as the Recorder writes it."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    timeout: int | None = Field(None, ge=1, le=600_000)
    assertedEvents: list[AssertedNavigation] | None = None  # noqa: N815
    target: str | None = None
    frame: list[int] | None = None


class Navigate(BaseStep):
    type: Literal["navigate"]
    url: str


class SetViewport(BaseStep):
    type: Literal["setViewport"]
    width: int = Field(ge=1, le=10_000)
    height: int = Field(ge=1, le=10_000)
    deviceScaleFactor: float = Field(1, gt=0, le=10)  # noqa: N815
    isMobile: bool = False  # noqa: N815
    hasTouch: bool = False  # noqa: N815
    isLandscape: bool = False  # noqa: N815


class _Pointer(BaseStep):
    selectors: Selectors
    offsetX: float | None = None  # noqa: N815
    offsetY: float | None = None  # noqa: N815
    button: Literal["primary", "auxiliary", "secondary", "back", "forward"] = "primary"
    deviceType: Literal["mouse", "pen", "touch"] = "mouse"  # noqa: N815
    duration: float | None = Field(None, ge=0, le=60_000)


class Click(_Pointer):
    type: Literal["click"]


class DoubleClick(_Pointer):
    type: Literal["doubleClick"]


class Hover(BaseStep):
    type: Literal["hover"]
    selectors: Selectors


class Change(BaseStep):
    type: Literal["change"]
    selectors: Selectors
    value: str | Secret


class KeyDown(BaseStep):
    type: Literal["keyDown"]
    key: str = Field(min_length=1)


class KeyUp(BaseStep):
    type: Literal["keyUp"]
    key: str = Field(min_length=1)


class Scroll(BaseStep):
    type: Literal["scroll"]
    x: float | None = None
    y: float | None = None
    selectors: Selectors | None = None


class WaitForElement(BaseStep):
    type: Literal["waitForElement"]
    selectors: Selectors
    operator: Literal[">=", "==", "<="] | None = None
    count: int | None = Field(None, ge=0)
    visible: bool | None = None
    properties: dict[str, object] | None = None
    attributes: dict[str, str] | None = None


class WaitForExpression(BaseStep):
    type: Literal["waitForExpression"]
    expression: str = Field(min_length=1)


class Close(BaseStep):
    type: Literal["close"]


class EmulateNetworkConditions(BaseStep):
    type: Literal["emulateNetworkConditions"]
    download: float
    upload: float
    latency: float


class ScreenshotParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field("screenshot", min_length=1, max_length=100)


class ExtractParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    selectors: Selectors
    attribute: str | None = None


class DownloadParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    selectors: Selectors


class AssertTextParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    selectors: Selectors
    text: str


class _CustomStep(BaseStep):
    type: Literal["customStep"]


class ScreenshotStep(_CustomStep):
    name: Literal["screenshot"]
    parameters: ScreenshotParameters = ScreenshotParameters(name="screenshot")


class ExtractStep(_CustomStep):
    name: Literal["extract"]
    parameters: ExtractParameters


class DownloadStep(_CustomStep):
    name: Literal["download"]
    parameters: DownloadParameters


class AssertTextStep(_CustomStep):
    name: Literal["assertText"]
    parameters: AssertTextParameters


CustomStep = Annotated[ScreenshotStep | ExtractStep | DownloadStep | AssertTextStep, Field(discriminator="name")]

Step = Annotated[
    Navigate
    | SetViewport
    | Click
    | DoubleClick
    | Hover
    | Change
    | KeyDown
    | KeyUp
    | Scroll
    | WaitForElement
    | WaitForExpression
    | Close
    | EmulateNetworkConditions
    | CustomStep,
    Field(discriminator="type"),
]


def selectors_of(step: Step) -> list[Selector]:
    """What the step looks for; empty if it looks for nothing."""
    holder: BaseModel = step.parameters if isinstance(step, _CustomStep) else step
    # A field of that name in a step that knows none is one that is only kept.
    return list(getattr(holder, "selectors") or []) if "selectors" in type(holder).model_fields else []  # noqa: B009


def describe(selectors: list[Selector]) -> list[str]:
    """The alternatives as people read them; a chain through shadow roots is joined by `>>`."""
    return [selector if isinstance(selector, str) else " >> ".join(selector) for selector in selectors]


def label(step: Step) -> str:
    """The step in a few words, without any value that is typed."""
    kind = f"{step.type} {step.name}" if isinstance(step, _CustomStep) else step.type
    if isinstance(step, Navigate):
        return f"{kind} {step.url}"
    if isinstance(step, KeyDown | KeyUp):
        return f"{kind} {step.key}"
    found = describe(selectors_of(step))
    return f"{kind} {found[0]}" if found else kind


def starts_with_navigate(path: list[Step]) -> bool:
    """Whether the path opens its first page itself; sizes of the window may come before that."""
    first = next((step for step in path if not isinstance(step, SetViewport)), None)
    return isinstance(first, Navigate)
