"""A list that shows all of it in a minute: two browser tasks on the server's own demo site, two shell tasks."""

from __future__ import annotations

from bg_runner.runs.choose import AnyTask
from bg_runner.settings import Settings
from bg_runner.tasks.models import TaskListAdapter

Step = dict[str, object]


def own_url(settings: Settings) -> str:
    """The server's address as a browser on the same machine reaches it; behind TLS of its own, the public one."""
    if settings.tls_cert is not None and settings.public_url:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.tls_cert is not None else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - only compared
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{settings.port}"


def sample_tasks(base: str) -> list[AnyTask]:
    """New tasks with new ids on the demo site of the server at `base`."""
    return TaskListAdapter.validate_python(
        [
            {
                "kind": "browser",
                "name": "Order tea in the demo shop",
                "screenshots": "each",
                "path": _order(f"{base}/demo/"),
            },
            {
                "kind": "browser",
                "name": "Look at the stock and fetch the price list",
                "path": _stock(f"{base}/demo/stock.html"),
            },
            {
                "kind": "shell",
                "name": "Pack twenty bags",
                "command": "for i in $(seq 1 20); do echo \"bag $i of 20, $((i * 5))%\"; sleep 0.5; done",
            },
            {
                "kind": "shell",
                "name": "Describe this machine",
                "command": "uname -srm && uptime && df -h /",
            },
        ]
    )


def _click(selector: str) -> Step:
    return {"type": "click", "selectors": [selector], "offsetX": 5, "offsetY": 5}


def _change(selector: str, value: str) -> Step:
    return {"type": "change", "selectors": [selector], "value": value}


def _wait_for(selector: str) -> Step:
    return {"type": "waitForElement", "selectors": [selector], "visible": True}


def _extract(name: str, selector: str) -> Step:
    return {"type": "customStep", "name": "extract", "parameters": {"name": name, "selectors": [selector]}}


def _order(url: str) -> list[Step]:
    return [
        {"type": "navigate", "url": url},
        _click("[data-tea]"),
        _change("#weight", "2.3"),
        _change("#quantity", "2"),
        _click("#add-to-basket"),
        _wait_for("#added"),
        {**_click("#to-checkout"), "assertedEvents": [{"type": "navigation"}]},
        _change("#full-name", "Ada Lovelace"),
        _change("#email", "ada@example.com"),
        _change("#street", "12 St James's Square, London"),
        _click("#delivery-express"),
        _click("#place-order"),
        _wait_for("#confirmation"),
        _extract("order", "#order-number"),
        _extract("paid", "#order-total"),
        {"type": "customStep", "name": "screenshot", "parameters": {"name": "confirmation"}},
    ]


def _stock(url: str) -> list[Step]:
    return [
        {"type": "navigate", "url": url},
        _wait_for("#stock"),
        {
            "type": "customStep",
            "name": "assertText",
            "parameters": {"selectors": ["h1"], "text": "What is in stock"},
        },
        _extract("first tea", "#stock tbody tr"),
        {"type": "customStep", "name": "download", "parameters": {"selectors": ["#price-list"]}},
        {"type": "customStep", "name": "screenshot", "parameters": {"name": "stock"}},
    ]
