"""Recordings replayed by @puppeteer/replay and by us in the same Chromium: the same page, the same failure."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser_execution import Bench, navigate
from tests.differential.flows import FLOWS, Flow
from tests.integration.browser_site import Site, serve

ROOT = Path(__file__).resolve().parents[2]
STEP_TIMEOUT = 5000
# What a page says of itself when a flow is over; a step that both runners know carries it to the site.
TELL = """(() => {
    const request = new XMLHttpRequest();
    request.open('POST', '/state?of=%s', false);
    request.send(JSON.stringify(window.snapshot()));
    return true;
})()"""


class Reference:
    """npm's @puppeteer/replay in a process of its own."""

    def __init__(self, node: str, chromium: str, args: list[str]) -> None:
        command = [node, str(Path(__file__).with_name("reference.mjs")), chromium, *args]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == {"ready": True}

    def replay(self, steps: list[dict[str, Any]]) -> dict[str, Any]:
        """{failedStep, error}"""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"steps": steps, "timeout": STEP_TIMEOUT}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the reference ended with {self._process.wait()}; is node_modules installed (make test)?"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve() as served:
        yield served


@pytest.fixture(scope="module")
def reference(node_path: str, chromium_path: str, chromium_args: list[str]) -> Iterator[Reference]:
    process = Reference(node_path, chromium_path, chromium_args)
    yield process
    process.close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> Iterator[Bench]:
    made = Bench.make(tmp_path_factory.mktemp("data"), chromium=chromium_path)
    yield made
    made.browsers.close()


def page(body: str) -> str:
    return f'<!doctype html><title>Flow</title><script src="/watch.js"></script><body>{body}</body>'


def recording(flow: Flow, site: Site, side: str) -> list[dict[str, Any]]:
    """The flow's steps on `site`, and a last one that tells how its page stands."""
    steps = [navigate(f"{site.url}/flow"), *flow.steps]
    if flow.fails_at is None:
        steps.append({"type": "waitForExpression", "expression": TELL % side})
    text = json.dumps(steps).replace("{site}", site.url)
    parsed: list[dict[str, Any]] = json.loads(text)
    return parsed


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_same_page_and_same_failure(flow: Flow, site: Site, bench: Bench, reference: Reference) -> None:
    site.pages.clear()
    site.posted.clear()
    site.page("/flow", page(flow.body))
    for path, body in flow.pages:
        site.page(path, page(body))

    theirs = reference.replay(recording(flow, site, "theirs"))
    ours = bench.run(*recording(flow, site, "ours"))

    failed_step = ours.error.details.get("step") if ours.error else None
    assert failed_step == theirs["failedStep"], f"{ours.error}\nreference: {theirs}"
    assert failed_step == flow.fails_at, f"{ours.error}\nreference: {theirs}"
    if flow.fails_at is None:
        assert told(site, "ours", flow) == told(site, "theirs", flow)


def told(site: Site, side: str, flow: Flow) -> dict[str, Any]:
    """What the page said of itself."""
    state: dict[str, Any] = site.posted[f"/state?of={side}"]
    if not flow.focus:
        state["events"] = [event for event in state["events"] if event[1] not in ("focusin", "focusout")]
    return state
