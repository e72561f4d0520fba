"""Playwright drives the browser through a Node.js of its own, which a bare Debian lacks a library for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bg_runner.errors import NoBrowser
from bg_runner.settings import load_settings
from bg_runner.tasks.browser_launch import NODE_VARIABLE, install_command, launch

LOADER = "node: error while loading shared libraries: libatomic.so.1: cannot open shared object file"


def test_a_driver_that_does_not_start_is_a_missing_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho '{LOADER}' >&2\nexit 127\n")
    node.chmod(0o755)
    monkeypatch.setenv(NODE_VARIABLE, str(node))
    directory = tmp_path / "driver"
    with pytest.raises(NoBrowser) as refused:
        asyncio.run(launch(load_settings(data_dir=tmp_path / "data"), None, directory))
    assert LOADER in refused.value.message
    assert install_command() in (refused.value.hint or "")
    assert not directory.exists()
