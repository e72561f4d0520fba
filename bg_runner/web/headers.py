"""Security headers. One strict policy for everything, and an exception for each page that needs one."""

from __future__ import annotations

import re

from secure import (
    ContentSecurityPolicy,
    CrossOriginOpenerPolicy,
    CrossOriginResourcePolicy,
    PermissionsPolicy,
    ReferrerPolicy,
    Secure,
    StrictTransportSecurity,
    XContentTypeOptions,
    XFrameOptions,
)

RawHeaders = list[tuple[bytes, bytes]]
_TERMINAL_FRAME = re.compile(r"/(?:t|share)/[^/]+/frame")
_REPLAY = re.compile(r"/t/[^/]+/replay")


def _page_policy() -> ContentSecurityPolicy:
    return (
        ContentSecurityPolicy()
        .default_src("'none'")
        .script_src("'self'")
        .style_src("'self'")
        .img_src("'self'", "data:")
        .font_src("'self'")
        .connect_src("'self'")
        .frame_src("'self'")
        .manifest_src("'self'")
        .form_action("'self'")
        .base_uri("'none'")
        .frame_ancestors("'self'")
    )


def _docs_policy() -> ContentSecurityPolicy:
    """Swagger UI sets style attributes and shows its icons from data: addresses."""
    return (
        ContentSecurityPolicy()
        .default_src("'none'")
        .script_src("'self'")
        .style_src("'self'", "'unsafe-inline'")
        .img_src("'self'", "data:")
        .font_src("'self'", "data:")
        .connect_src("'self'")
        .base_uri("'none'")
        .frame_ancestors("'self'")
    )


def _terminal_policy() -> ContentSecurityPolicy:
    """xterm.js writes its renderer's styles into the page: allowed in the frame that it has to itself."""
    return _page_policy().style_src("'self'", "'unsafe-inline'")


def _replay_policy() -> ContentSecurityPolicy:
    """asciinema-player places its cells by style attributes, and its emulator is WebAssembly."""
    return _terminal_policy().script_src("'self'", "'wasm-unsafe-eval'")


def _artifact_policy() -> ContentSecurityPolicy:
    """What a task downloaded is somebody else's: nothing in it may run or load, wherever it is opened."""
    return (
        ContentSecurityPolicy()
        .default_src("'none'")
        .style_src("'unsafe-inline'")
        .img_src("'self'", "data:")
        .sandbox()
        .frame_ancestors("'self'")
    )


def _raw(policy: ContentSecurityPolicy, *, hsts: bool) -> RawHeaders:
    secure = Secure(
        csp=policy,
        coop=CrossOriginOpenerPolicy().same_origin(),
        corp=CrossOriginResourcePolicy().same_origin(),
        referrer=ReferrerPolicy().no_referrer(),
        permissions=PermissionsPolicy().geolocation().microphone().camera(),
        hsts=StrictTransportSecurity().max_age(31536000) if hsts else None,
        xcto=XContentTypeOptions().nosniff(),
        xfo=XFrameOptions().sameorigin(),
    )
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in secure.headers.items()]


class SecurityHeaders:
    """The headers of an answer by its path, made once as raw ASGI headers.

    `hsts` (no more plain HTTP for this host) is for a public name only: on localhost it would reach every other port.
    """

    def __init__(self, *, hsts: bool) -> None:
        self._page = _raw(_page_policy(), hsts=hsts)
        self._docs = _raw(_docs_policy(), hsts=hsts)
        self._terminal = _raw(_terminal_policy(), hsts=hsts)
        self._replay = _raw(_replay_policy(), hsts=hsts)
        self._artifact = _raw(_artifact_policy(), hsts=hsts)

    def of(self, path: str) -> RawHeaders:
        if path == "/docs":
            return self._docs
        if path.startswith("/api/background_task/artifacts/"):
            return self._artifact
        if _TERMINAL_FRAME.fullmatch(path):
            return self._terminal
        if _REPLAY.fullmatch(path):
            return self._replay
        return self._page
