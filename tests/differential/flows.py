"""The recorded flows that both runners replay, each with the page that it plays on.

`{site}` in an address stands for the site's own. A flow that must fail says at which step (1-based). Where another
tab or a dialog takes the focus, focus events are not compared: every tab of ours behaves as the active one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.browser_execution import change, click, navigate

Steps = list[dict[str, Any]]
SHORT = 1000  # ms, for steps that must fail


@dataclass(frozen=True)
class Flow:
    """One recording: the body of its page, its steps after the opening of the page, more pages by path."""

    name: str
    body: str
    steps: Steps
    pages: tuple[tuple[str, str], ...] = ()
    fails_at: int | None = None
    focus: bool = True

    def __str__(self) -> str:
        return self.name


def key(name: str, **more: Any) -> Steps:
    return [{"type": "keyDown", "key": name, **more}, {"type": "keyUp", "key": name}]


def until(expression: str, **more: Any) -> dict[str, Any]:
    return {"type": "waitForExpression", "expression": expression, **more}


def wait_for(*selectors: str | list[str], **more: Any) -> dict[str, Any]:
    return {"type": "waitForElement", "selectors": list(selectors), **more}


NAVIGATION = [{"type": "navigation", "url": "", "title": ""}]
STAYS = "<script>addEventListener('mouseup', (event) => event.preventDefault());</script>"
BUTTON = '<button id="go" style="width: 120px; height: 40px">Go</button>'
SHADOW = """
<div id="host"></div>
<script>
  const outer = document.querySelector('#host').attachShadow({mode: 'open'});
  outer.innerHTML = '<p>outer</p><div id="inner-host"></div>';
  const inner = outer.querySelector('#inner-host').attachShadow({mode: 'open'});
  inner.innerHTML = '<button id="deep" class="deep">Deep button</button><input id="deep-input">';
</script>"""
DIALOGS = """
<button id="ask" style="width: 90px; height: 30px" onclick="
  alert('one'); result.innerText = confirm('two') + ' ' + prompt('three', 'default')">Ask</button>
<p id="result" data-result></p>"""
LATE = """
<script>
  setTimeout(() => {
    const button = document.createElement('button');
    button.id = 'late'; button.textContent = 'Late';
    document.body.append(button);
  }, 350);
</script>"""
DISABLED = '<button id="go" disabled>Go</button><script>setTimeout(() => { go.disabled = false; }, 300);</script>'
MOVING = """
<style>@keyframes walk { from { left: 0 } to { left: 300px } }
#go { position: absolute; top: 50px; animation: walk 0.5s linear forwards; }</style><button id="go">Go</button>"""
SELECTS = """
<select id="one"><option value="a">A</option><option value="b">B</option></select>
<select id="many" multiple><option value="a" selected>A</option><option value="b">B</option></select>
<select id="strange"><option value="a">A</option></select>"""
INPUTS = """
<input id="text" value="old"><input id="part" value="hel"><textarea id="area"></textarea><input id="password"
type="password"><input id="number" type="number"><input id="email" type="email"><input id="same" value="same">"""
SPECIAL = """
<input id="color" type="color"><input id="date" type="date"><input id="range" type="range"><input id="time" type="time">
<input id="box" type="checkbox"><input id="radio" type="radio" name="r"><div id="rich" contenteditable>old</div>
<div id="switch" role="switch" aria-checked="false" tabindex="0"
 onclick="this.ariaChecked = 'true'; this.dataset.result = ''; this.innerText = 'on'">off</div>"""
LABELS = """
<h1 id="head">Welcome</h1><label for="name">Full name</label><input id="name">
<button id="save" aria-label="Save it"><i>icon</i></button><a id="link" href="#there">Read <b>more</b></a>
<button id="same1">Same</button><span role="checkbox" id="same2" aria-checked="false" tabindex="0">Same</span>
<img id="picture" alt="A picture" width="40" height="40"
 src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">
<div aria-hidden="true"><button id="ghost">Ghost</button></div><button id="ghost2">Ghost</button>
<ul><li id="first">item</li><li id="second">item two</li></ul>"""
FRAMES = """<iframe id="f0" src="/empty"></iframe>
<iframe id="f1" src="/middle" style="border: 7px solid; padding: 5px; width: 400px; height: 300px"></iframe>"""
MIDDLE = '<p>middle</p><iframe src="/leaf" style="margin: 20px"></iframe>'
LEAF = '<button id="leaf" style="width: 80px; height: 30px">Leaf</button><input id="leaf-input">'
FORM = '<form action="/landed"><input id="q" name="q"><button id="send">Send</button></form>'
TALL = """<div style="height: 2500px">top</div><button id="far">Far</button>
<div style="height: 900px; width: 3000px"></div>
<div id="box" style="width: 100px; height: 100px; overflow: scroll">
<div style="width: 900px; height: 900px"></div></div>"""
COVERED = """<button id="below" style="width: 100px; height: 40px">Below</button>
<div id="cover" style="position: absolute; inset: 0"></div>"""
WRAPPED = (
    """<p style="width: 120px">some words first <a id="wrapped" href="#x">a link that is broken into lines</a></p>"""
)
COUNTED = '<ul><li class="row" data-kind="x">1</li><li class="row" data-kind="x">2</li></ul><input id="in" value="v">'
LANDED = (("/landed", "<title>Landed</title><p id='landed'>landed</p>"),)

FLOWS = [
    Flow("click at offsets", BUTTON, [click("#go", offsetX=17, offsetY=9), click("#go", offsetX=100.5, offsetY=30.25)]),
    Flow("double click", BUTTON, [{**click("#go"), "type": "doubleClick"}]),
    Flow("other buttons", BUTTON, [click("#go", button=name) for name in ("secondary", "auxiliary", "primary")]),
    Flow("back and forward", STAYS + BUTTON, [click("#go", button=name) for name in ("back", "forward")]),
    Flow("long press", BUTTON, [click("#go", duration=150), {**click("#go", duration=50), "type": "doubleClick"}]),
    Flow("hover", BUTTON, [{"type": "hover", "selectors": ["#go"]}]),
    Flow("covered element", COVERED, [click("#below")]),
    Flow("broken line", WRAPPED, [click("#wrapped", offsetX=1, offsetY=2)]),
    Flow(
        "text inputs",
        INPUTS,
        [
            change("#text", "new text"),
            change("#part", "hello"),
            change("#area", "long " * 40),
            change("#password", "secret é ü 漢字"),
            change("#number", "42"),
            change("#email", "a@b.example"),
            change("#same", "same"),
            change("#text", ""),
        ],
    ),
    Flow("selects", SELECTS, [change("#one", "b"), change("#many", "b"), change("#strange", "nothing")]),
    Flow(
        "special inputs",
        SPECIAL,
        [
            change("#color", "#ff8800"),
            change("#date", "2026-11-21"),
            change("#range", "70"),
            change("#time", "12:34"),
            change("#box", "true"),
            change("#radio", "on"),
            change("#rich", "rich text"),
            change("#switch", "true"),
        ],
    ),
    Flow(
        "keys",
        INPUTS,
        [
            click("#text"),
            *[step for name in ("End", "a", "Tab", "b") for step in key(name)],
            {"type": "keyDown", "key": "Shift"},
            *key("c"),
            click("#area"),
            {"type": "keyUp", "key": "Shift"},
            *[step for name in ("Home", "Delete", "Escape") for step in key(name)],
            {"type": "keyDown", "key": "Control"},
            *key("a"),
            {"type": "keyUp", "key": "Control"},
            *key("Backspace"),
        ],
    ),
    Flow(
        "rare keys", INPUTS, [click("#text"), *[step for name in ("F13", "Help", "ModeChange") for step in key(name)]]
    ),
    Flow("scroll", TALL, [{"type": "scroll", "y": 700, "x": 40}, {"type": "scroll", "selectors": ["#box"], "y": 33}]),
    Flow("out of view", TALL, [click("#far")]),
    Flow("late element", LATE, [click("#never", "#late")]),
    Flow("disabled at first", DISABLED, [click("#go")]),
    Flow("moving element", MOVING, [click("#go")]),
    Flow(
        "kinds of selectors",
        LABELS,
        [
            click("aria/Save it"),
            click('aria/Same[role="checkbox"]'),
            click('aria/[role="heading"]'),
            change("aria/Full name", "typed"),
            click("aria/Read more"),
            click('aria/A picture[role="img"]', 'aria/A picture[role="image"]'),
            click("text/item two"),
            click("xpath///*[@id='first']"),
            click("pierce/#second"),
            click("text/Welc"),
            click("aria/Ghost"),
        ],
    ),
    Flow(
        "shadow roots",
        SHADOW,
        [
            click(["#host", "#inner-host", "#deep"]),
            click("pierce/#deep"),
            click("aria/Deep button"),
            click("text/Deep b"),
            change("pierce/#deep-input", "deep"),
            wait_for(["#host", "#inner-host", "button"]),
        ],
    ),
    Flow(
        "frames",
        FRAMES,
        [
            until("document.querySelectorAll('iframe')[1].contentDocument.querySelector('iframe') !== null"),
            {**click("#leaf", offsetX=11, offsetY=13), "frame": [1, 0]},
            {**change("#leaf-input", "in a frame"), "frame": [1, 0]},
            {**until("document.querySelector('#leaf-input').value === 'in a frame'"), "frame": [1, 0]},
        ],
        pages=(("/empty", "<p>empty</p>"), ("/middle", MIDDLE), ("/leaf", LEAF)),
    ),
    Flow(
        "new tab",
        '<a id="open" href="/tab" target="_blank" rel="opener">Open</a>',
        [
            click("#open"),
            {**click("#in-tab"), "target": "{site}/tab"},
            {**change("#tab-input", "tab"), "target": "{site}/tab"},
            {"type": "close", "target": "{site}/tab"},
            click("#open", button="secondary"),
        ],
        pages=(("/tab", '<button id="in-tab">Tab</button><input id="tab-input">'),),
        focus=False,
    ),
    Flow("dialogs", DIALOGS, [click("#ask"), until("result.innerText.length > 0")], focus=False),
    Flow(
        "asserted navigation",
        FORM,
        [change("#q", "words"), click("#send", assertedEvents=NAVIGATION), wait_for("#landed")],
        pages=LANDED,
    ),
    Flow(
        "navigation by Enter",
        FORM,
        [change("#q", "words"), *key("Enter", assertedEvents=NAVIGATION), until("location.pathname === '/landed'")],
        pages=LANDED,
    ),
    Flow("navigation within", '<a id="hash" href="#there">x</a>', [click("#hash", assertedEvents=NAVIGATION)]),
    Flow(
        "pushState",
        "<button id=\"push\" onclick=\"history.pushState({}, '', '?pushed')\">x</button>",
        [click("#push", assertedEvents=NAVIGATION)],
    ),
    Flow(
        "viewport",
        BUTTON,
        [
            {"type": "setViewport", "width": 411, "height": 700, "deviceScaleFactor": 2, "isMobile": False}
            | {"hasTouch": False, "isLandscape": False},
            click("#go"),
        ],
    ),
    Flow(
        "waiting for elements",
        COUNTED,
        [
            wait_for(".row", operator="==", count=2),
            wait_for(".row", operator="<=", count=2, attributes={"data-kind": "x"}),
            wait_for("#none", ".row", operator=">=", count=2),
            wait_for("#none", visible=False),
            wait_for("#none", operator="==", count=0),
            wait_for("#in", properties={"value": "v", "style": {"cssText": ""}}),
        ],
    ),
    Flow(
        "network emulation",
        '<p id="result" data-result></p>',
        [
            {"type": "emulateNetworkConditions", "download": 0, "upload": 0, "latency": 0},
            until(
                "(window.asked ??= fetch('/empty').then(() => 'on', () => 'off').then((s) => (result.innerText = s)))"
            ),
            {"type": "emulateNetworkConditions", "download": 100000, "upload": 100000, "latency": 1},
            until("result.innerText === 'off'"),
        ],
        pages=(("/empty", ""),),
    ),
    Flow("custom expression", "", [until("new Promise((resolve) => setTimeout(() => resolve(true), 50))")]),
    Flow("fails: no element", BUTTON, [click("#go"), click("#nothing", timeout=SHORT), click("#go")], fails_at=3),
    Flow("fails: hidden", '<button id="h" style="display: none">H</button>', [click("#h", timeout=SHORT)], fails_at=2),
    Flow("fails: empty", '<span id="e"></span>', [click("#e", timeout=SHORT)], fails_at=2),
    Flow("fails: stays disabled", '<button id="d" disabled>D</button>', [click("#d", timeout=SHORT)], fails_at=2),
    Flow("fails: not fillable", '<p id="p">p</p>', [change("#p", "x", timeout=SHORT)], fails_at=2),
    Flow("fails: count", COUNTED, [wait_for(".row", operator=">=", count=3, timeout=SHORT)], fails_at=2),
    Flow("fails: visible", COUNTED, [wait_for(".row", visible=False, timeout=SHORT)], fails_at=2),
    Flow("fails: attribute", COUNTED, [wait_for(".row", attributes={"data-kind": "y"}, timeout=SHORT)], fails_at=2),
    Flow("fails: expression", BUTTON, [click("#go"), until("window.never", timeout=SHORT)], fails_at=3),
    Flow("fails: error in expression", BUTTON, [until("nothing.at.all", timeout=SHORT)], fails_at=2),
    Flow("fails: no navigation", BUTTON, [click("#go", assertedEvents=NAVIGATION, timeout=SHORT)], fails_at=2),
    Flow("fails: no frame", BUTTON, [{**click("#go", timeout=SHORT), "frame": [3]}], fails_at=2),
    Flow("fails: unknown key", BUTTON, [{"type": "keyDown", "key": "NoSuchKey", "timeout": SHORT}], fails_at=2),
    Flow("fails: no server", BUTTON, [navigate("http://127.0.0.1:1/", timeout=SHORT)], fails_at=2),
]
