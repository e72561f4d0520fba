"""The sample list that an empty workspace offers: two flows in the demo shop that the server carries, two commands."""

from __future__ import annotations

from flask_babel import gettext as _

from bg_runner.runs.choose import AnyTask
from bg_runner.tasks.models import TaskListAdapter

Step = dict[str, object]

# Real work of about 12 s: random data is read and summed in 40 batches, with the percentage that the bar follows.
CHECKSUMS = """\
# 40 batches of random data
i=0
while [ "$i" -lt 40 ]; do
  i=$((i + 1))
  sum=$(head -c 2000000 /dev/urandom | cksum | cut -d ' ' -f 1)
  printf 'batch %2d of 40   checksum %-10s   %3d%%\\n' "$i" "$sum" "$((i * 100 / 40))"
  sleep 0.25
done
"""

REPORT = """\
# what this server is
echo "Host:    $(uname -n)"
echo "System:  $(uname -srm)"
echo "Uptime:  $(uptime)"
echo
df -h .
"""


def sample_tasks(base: str) -> list[AnyTask]:
    """New tasks, about 25 s in all, on the demo site of the server at `base`, named in the request's language."""
    shop = f"{base}/demo"
    return TaskListAdapter.validate_python(
        [
            {"kind": "browser", "name": _("Order tea in the demo shop"), "screenshots": "each", "path": _order(shop)},
            {"kind": "shell", "name": _("Checksums with progress"), "command": CHECKSUMS},
            {"kind": "browser", "name": _("Watch the stock page"), "screenshots": "each", "path": _stock(shop)},
            {"kind": "shell", "name": _("A report about this server"), "command": REPORT},
        ]
    )


def _click(selector: str) -> Step:
    return {"type": "click", "selectors": [[selector]], "offsetX": 6, "offsetY": 6}


def _fill(selector: str, value: str) -> Step:
    return {"type": "change", "selectors": [[selector]], "value": value}


def _wait(selector: str) -> Step:
    return {"type": "waitForElement", "selectors": [[selector]]}


def _extract(name: str, selector: str) -> Step:
    return {"type": "customStep", "name": "extract", "parameters": {"name": name, "selectors": [[selector]]}}


def _to_another_page(step: Step) -> Step:
    return {**step, "assertedEvents": [{"type": "navigation"}]}


def _order(shop: str) -> list[Step]:
    return [
        {"type": "navigate", "url": f"{shop}/index.html"},
        _wait("[data-tea=oolong]"),  # the shop's script draws it; what comes before the script is lost
        _fill("#search", "oolong"),
        _to_another_page(_click("[data-tea=oolong]")),
        _wait("#picture svg"),
        _fill("#quantity", "2"),
        _click("#add-to-basket"),
        _wait("#added:not([hidden])"),
        _to_another_page(_click("#to-checkout")),
        _wait("#basket-lines li"),
        _fill("#full-name", "Ada Lovelace"),
        _fill("#email", "ada@example.com"),
        _fill("#street", "12 St James's Square, London"),
        _click("#delivery-express"),
        _click("#place-order"),
        _wait("#confirmation:not([hidden])"),
        _extract("order", "#order-number"),
        _extract("paid", "#order-total"),
    ]


def _stock(shop: str) -> list[Step]:
    return [
        {"type": "navigate", "url": f"{shop}/stock.html"},
        _wait("#stock:not([hidden])"),
        _extract("sencha", "[data-tea=sencha] td:nth-child(3)"),
        _extract("lapsang", "[data-tea=lapsang] td:nth-child(4)"),
        {"type": "customStep", "name": "assertText", "parameters": {"selectors": [["h1"]], "text": "What is in stock"}},
        {"type": "customStep", "name": "download", "parameters": {"selectors": [["#price-list"]]}},
    ]
