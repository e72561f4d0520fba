"""Browser tasks on a real Chromium: what steps do, what a failure tells, and what must never hang a task."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bg_runner.tasks.execution import Outcome
from tests.browser_execution import Bench, change, click, custom, navigate, noted, task_of
from tests.integration.browser_site import Site, serve


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve() as served:
        yield served


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> Iterator[Bench]:
    made = Bench.make(tmp_path_factory.mktemp("data"), chromium=chromium_path, max_artifact_bytes=100_000)
    yield made
    made.browsers.close()


def code_of(outcome: Outcome) -> str | None:
    return outcome.error.code if outcome.error else None


def test_a_flow_runs_and_its_values_and_progress_come_back(site: Site, bench: Bench) -> None:
    url = site.page("/form", "<title>Form</title><input id=in><a href=/form id=link title='a title'>words\n here</a>")
    execution = bench.execution()
    task = task_of(
        navigate(url),
        change("#in", "typed"),
        custom("extract", name="typed", selectors=["#in"]),
        custom("extract", name="title", selectors=["#link"], attribute="title"),
        custom("assertText", selectors=["#nothing", "#link"], text="words here"),
        custom("screenshot", name="the form"),
    )

    outcome = bench.executor.execute(task, execution)

    assert outcome == Outcome(status="completed", values={"typed": "typed", "title": "a title"})
    progress = noted(execution)
    assert progress.steps[0] == (1, 6, f"navigate {url}")
    assert [number for number, total, _ in progress.steps] == [1, 2, 3, 4, 5, 6]
    assert progress.percents[-1] == 100.0
    (artifact,) = progress.artifacts
    assert (artifact.kind, artifact.name, artifact.step) == ("screenshot", "the form.png", 6)
    data = (execution.artifacts_dir / artifact.file).read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) == artifact.size
    log = bench.log(execution)
    assert len(log.encode()) == progress.cursor
    assert f"Step 1/6 navigate {url}" in log
    assert "typed" not in log.replace("Step", "")


def test_start_url_is_opened_when_the_path_does_not(site: Site, bench: Bench) -> None:
    url = site.page("/start", "<button id=b>B</button>")
    assert bench.run(click("#b"), start_url=url).status == "completed"

    failed = bench.run(click("#b"), start_url="http://127.0.0.1:1/")
    assert failed.error is not None
    assert failed.error.code == "NAVIGATION_FAILED"
    assert "step" not in failed.error.details


def test_no_path_is_told(bench: Bench) -> None:
    assert code_of(bench.run(start_url="http://a.example/")) == "NO_PATH"
    assert code_of(bench.run(click("#b"))) == "NO_PATH"


def test_a_failure_tells_everything_about_its_step(site: Site, bench: Bench) -> None:
    url = site.page(
        "/broken", "<title>Broken</title><script>console.error('it broke'); setTimeout(() => nothing.at.all)</script>"
    )
    execution = bench.execution()
    outcome = bench.executor.execute(task_of(navigate(url), click("#a", ["#b", "#c"], timeout=1500)), execution)

    assert outcome.error is not None
    assert outcome.error.code == "ELEMENT_NOT_FOUND"
    assert "#a, #b >> #c" in outcome.error.message
    details = outcome.error.details
    assert (details["step"], details["url"], details["title"]) == (2, url, "Broken")
    assert details["selectors"] == ["#a", "#b >> #c"]
    assert details["console"] == ["it broke", "Uncaught nothing is not defined"]
    (artifact,) = noted(execution).artifacts
    assert details["screenshot"] == artifact.id
    assert "Step 2 failed: ELEMENT_NOT_FOUND" in bench.log(execution)


@pytest.mark.parametrize(
    ("body", "steps", "code"),
    [
        (
            "<p id=p>actual</p>",
            [custom("assertText", selectors=["#p"], text="wanted") | {"timeout": 1500}],
            "ASSERTION_FAILED",
        ),
        ("<button id=d disabled>D</button>", [click("#d", timeout=1500)], "STEP_TIMEOUT"),
        ("", [click("p[", timeout=1500)], "STEP_FAILED"),
        ("", [click("xpath/((", timeout=1500)], "STEP_FAILED"),
        ("<input id=f type=file>", [change("#f", "x", timeout=1500)], "STEP_TIMEOUT"),
        ("", [{"type": "waitForExpression", "expression": "not javascript"}], "STEP_FAILED"),
        (
            "",
            [{"type": "click", "selectors": ["p"], "target": "http://no.example/", "timeout": 1500}],
            "ELEMENT_NOT_FOUND",
        ),
    ],
)
def test_each_kind_of_failure_has_its_code(
    site: Site, bench: Bench, body: str, steps: list[dict[str, object]], code: str
) -> None:
    url = site.page("/kind", body)
    outcome = bench.run(navigate(url), *steps)
    assert code_of(outcome) == code, outcome
    assert outcome.error is not None
    assert outcome.error.details["step"] == 2


@pytest.mark.parametrize("when", ["each", "off"])
def test_screenshots_are_taken_as_the_task_says(site: Site, bench: Bench, when: str) -> None:
    url = site.page("/shots", "<p>x</p>")
    execution = bench.execution()
    bench.executor.execute(task_of(navigate(url), click("p"), click("#no", timeout=1500), screenshots=when), execution)

    names = [artifact.name for artifact in noted(execution).artifacts]
    assert names == (["step-1.jpeg", "step-2.jpeg", "failed-step-3.png"] if when == "each" else [])


@pytest.mark.parametrize(
    "hang",
    [
        "setTimeout(() => { while (true); }, 0)",
        "setInterval(() => alert('again'), 0); window.never = 1",
        "setTimeout(() => { while (true) confirm('again'); }, 0)",
    ],
)
def test_a_page_that_hangs_is_ended_at_the_deadline(site: Site, bench: Bench, hang: str) -> None:
    url = site.page("/hang", f'<button id=b onclick="{hang}">B</button>')
    began = time.monotonic()
    outcome = bench.run(navigate(url), click("#b"), click("#nothing", timeout=500))

    assert outcome.error is not None
    assert outcome.error.details["step"] in (2, 3)
    assert time.monotonic() - began < 15
    assert bench.run(navigate(site.page("/fine", "fine"))).status == "completed"


def test_dialogs_tabs_and_downloads_hang_nothing(site: Site, bench: Bench) -> None:
    url = site.page(
        "/busy",
        """<script>onbeforeunload = (event) => { event.preventDefault(); }; </script>
        <button id=b onclick="alert('hello'); window.open('/busy2')">B</button>
        <a id=d href="/file?name=x.bin&bytes=10">d</a>
        <iframe srcdoc="<script>confirm('in a frame')</script>"></iframe>""",
    )
    site.page("/busy2", "<script>alert('in the tab')</script>")
    execution = bench.execution()
    pause = {"type": "waitForExpression", "expression": "new Promise((done) => setTimeout(() => done(true), 1000))"}
    after = site.page("/after", "<p id=p>p</p>")
    steps = [navigate(url), click("#b"), click("#d"), pause, navigate(after), click("#p")]
    outcome = bench.executor.execute(task_of(*steps), execution)

    assert outcome.status == "completed", outcome
    log = bench.log(execution)
    assert "asked (alert): hello" in log
    assert "asked (alert): in the tab" in log
    assert "asked (beforeunload)" in log
    assert "download that no step asked for: x.bin" in log


def test_a_download_lands_in_the_artifacts(site: Site, bench: Bench) -> None:
    url = site.page(
        "/files",
        """<a id=a href="/file?name=..%2F..%2Fre%20port.csv&bytes=1234">a</a>
        <a id=tab target=_blank href="/file?name=tab.txt&bytes=5">a</a>""",
    )
    execution = bench.execution()
    task = task_of(navigate(url), custom("download", selectors=["#a"]), custom("download", selectors=["#tab"]))
    outcome = bench.executor.execute(task, execution)

    assert outcome.status == "completed", outcome
    first, second = noted(execution).artifacts
    assert (first.kind, first.size, first.step) == ("download", 1234, 2)
    assert "/" not in first.name
    assert first.name.endswith("re port.csv")
    assert (execution.artifacts_dir / first.file).stat().st_size == 1234
    assert (second.name, second.size) == ("tab.txt", 5)


@pytest.mark.parametrize("path", ["/file?name=big.bin&bytes=200000", "/endless"])
def test_a_download_has_a_bound(site: Site, bench: Bench, path: str) -> None:
    url = site.page("/big", f'<a id=a href="{path}">a</a>')
    execution = bench.execution()
    outcome = bench.executor.execute(task_of(navigate(url), custom("download", selectors=["#a"])), execution)

    assert outcome.error is not None
    assert "larger than 100000 bytes" in outcome.error.message
    assert [artifact.kind for artifact in noted(execution).artifacts] == ["screenshot"]


def test_secrets_are_typed_and_never_shown(site: Site, bench: Bench) -> None:
    url = site.page(
        "/login",
        """<form action=/login><input id=pw name=pw type=password oninput="console.error('typed ' + this.value)">
        <button id=go>Go</button></form><p id=echo></p>
        <script>document.title = echo.innerText = decodeURIComponent(location.search)</script>""",
    )
    secret = "hunter 2&é"
    execution = bench.execution({"PW": secret})
    steps = [
        navigate(url),
        change("#pw", {"secret": "PW"}),
        click("#go", assertedEvents=[{"type": "navigation", "url": "x"}]),
        custom("extract", name="echo", selectors=["#echo"]),
        custom("assertText", selectors=["#echo"], text="something else") | {"timeout": 1500},
    ]
    outcome = bench.executor.execute(task_of(*steps), execution)

    assert code_of(outcome) == "ASSERTION_FAILED"
    assert any(path.startswith("/login?pw=hunter+2") for path in site.seen), "the page did get it"
    told = outcome.model_dump_json() + bench.log(execution) + repr(noted(execution))
    assert "hun" not in told
    assert "••••" in str(outcome.values["echo"])


def test_a_missing_secret_fails_its_step(site: Site, bench: Bench) -> None:
    outcome = bench.run(navigate(site.page("/s", "<input id=i>")), change("#i", {"secret": "NOT_SET"}))
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.details["step"]) == ("SECRET_MISSING", 2)


def test_the_last_requests_of_a_page_are_not_lost(site: Site, bench: Bench) -> None:
    url = site.page(
        "/last", "<button id=b onclick=\"fetch('/slow?ms=300').then(() => fetch('/last-request'))\">B</button>"
    )
    assert bench.run(navigate(url), click("#b")).status == "completed"
    assert "/last-request" in site.seen


def test_a_quiet_page_is_not_waited_for_and_a_chatty_one_not_for_long(site: Site, bench: Bench) -> None:
    quiet = site.page("/quiet", "quiet")
    bench.run(navigate(quiet))
    began = time.monotonic()
    bench.run(navigate(quiet))
    for_quiet = time.monotonic() - began
    chatty = site.page("/chatty", "<script>fetch('/slow?ms=15000')</script>")
    began = time.monotonic()
    bench.run(navigate(chatty))
    for_chatty = time.monotonic() - began
    assert for_quiet < 2
    assert for_chatty - for_quiet < 5


def test_a_planned_path_opens_the_links_of_the_page(site: Site, bench: Bench, chromium_path: str) -> None:
    url = site.page(
        "/home",
        """<title>Home</title><a href="/one">1</a><a href="http://elsewhere.example/">x</a><a href="/two?q=1#part">2</a>
        <a href="/one#again">1</a><a href="/home">home</a><a href="/paper.pdf">pdf</a><a href="/x" download>d</a>
        <a href="mailto:a@b.example">m</a><a href="http://[broken">b</a><a href="/three">3</a>""",
    )
    for name in ("one", "two", "three"):
        site.page(f"/{name}", f"<body>{name}")
    small = Bench(bench.settings.model_copy(update={"auto_generate_limit": 2}), bench.browsers, bench.executor)
    executor = type(bench.executor)(small.settings, bench.browsers)
    planned = executor.plan(task_of(start_url=url), bench.execution())

    opened = [step.url for step in planned.path if step.type == "navigate"]
    assert opened == [url, f"{site.url}/one", f"{site.url}/two?q=1"]
    assert [step.type for step in planned.path[:3]] == ["navigate", "waitForElement", "customStep"]
    execution = bench.execution()
    assert executor.execute(planned, execution).status == "completed"
    assert [artifact.name for artifact in noted(execution).artifacts] == ["1-home.png", "2-one.png", "3-two.png"]


def test_touch_and_pen_are_replayed_as_such(site: Site, bench: Bench) -> None:
    url = site.page(
        "/touch",
        """<button id=b style="width: 200px; height: 90px">B</button><p id=p></p><script>
        for (const type of ['pointerdown', 'touchstart', 'click']) {
          b.addEventListener(type, (event) => { p.innerText += `${type} ${event.pointerType ?? ''},`; });
        }
        </script>""",
    )
    phone = {"type": "setViewport", "width": 400, "height": 700, "deviceScaleFactor": 2}
    phone |= {"isMobile": True, "hasTouch": True, "isLandscape": False}
    seen = custom("extract", selectors=["#p"], name="seen")
    screen = custom("extract", selectors=["html"], name="html", attribute="class")
    wide = {"type": "waitForExpression", "expression": "devicePixelRatio === 2 && innerWidth >= 400"}
    touched = bench.run(phone, navigate(url), wide, click("#b", deviceType="touch"), seen, screen)
    assert touched.values == {"seen": "pointerdown touch,touchstart ,click touch,", "html": None}
    pen = bench.run(navigate(url), click("#b", deviceType="pen"), seen)
    assert pen.values == {"seen": "pointerdown pen,click pen,"}


def test_frames_of_other_sites_are_reached(site: Site, bench: Bench) -> None:
    port = site.url.rpartition(":")[2]
    inner = f"http://localhost:{port}/inner"
    site.page(
        "/inner", "<p style='height: 40px'>x</p><button id=b onclick='this.innerText = `done`'>B</button><input id=i>"
    )
    url = site.page("/outer", f"<iframe src='{inner}' style='margin: 33px; border: 9px solid'></iframe>")
    text = custom("assertText", selectors=["#b"], text="done")
    for where in ({"frame": [0]}, {"target": inner}):
        outcome = bench.run(navigate(url), click("#b") | where, change("#i", "typed") | where, text | where)
        assert outcome.status == "completed", outcome


def test_keys_go_to_the_tab_that_the_step_names(site: Site, bench: Bench) -> None:
    url = site.page("/opener", "<button id=b onclick=\"window.open('/opened')\">B</button>")
    opened = site.page("/opened", "<input id=i autofocus>")
    there = {"target": opened}
    outcome = bench.run(
        navigate(url),
        click("#b"),
        click("#i") | there,
        {"type": "keyDown", "key": "é", **there},
        {"type": "keyUp", "key": "é", **there},
        custom("extract", selectors=["#i"], name="typed") | there,
    )
    assert outcome.values == {"typed": "é"}, outcome


def test_a_page_that_forbids_scripts_is_replayed_all_the_same(site: Site, bench: Bench) -> None:
    strict = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\"><p id=p>p</p><input id=i>"
    outcome = bench.run(
        navigate(site.page("/strict", strict)),
        click("aria/p", "#p"),
        change("#i", "typed"),
        {"type": "waitForExpression", "expression": "document.querySelector('#i').value === 'typed'"},
        {"type": "waitForElement", "selectors": ["text/p"]},
    )
    assert outcome.status == "completed", outcome


def test_an_expression_survives_a_navigation(site: Site, bench: Bench) -> None:
    url = site.page("/first", "<script>setTimeout(() => { location = '/second'; }, 300)</script>")
    site.page("/second", "<p>second</p>")
    wait = {"type": "waitForExpression", "expression": "location.pathname === '/second'"}
    assert bench.run(navigate(url), wait, click("p")).status == "completed"
