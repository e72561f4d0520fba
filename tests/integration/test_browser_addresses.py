"""Addresses that browser tasks may not reach, whatever leads to them; and pages never get to file:."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser_execution import Bench, click, navigate
from tests.integration.browser_site import Site, serve

METADATA = "http://169.254.169.254/latest/meta-data"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve() as served:
        yield served


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> Iterator[Bench]:
    made = Bench.make(tmp_path_factory.mktemp("data"), chromium=chromium_path)
    yield made
    made.browsers.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Host names of this test: each holds what its first, second... look-up answers; the last answer stays."""
    known: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **more: Any) -> list[Any]:
        if host not in known:
            return real(host, port, *args, **more)
        answers = known[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def port_of(site: Site) -> str:
    return site.url.rpartition(":")[2]


@pytest.mark.parametrize(
    "url",
    [
        METADATA,
        "https://169.254.169.254/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://100.100.100.200/",
    ],
)
def test_a_blocked_address_is_named_with_its_step(bench: Bench, url: str) -> None:
    outcome = bench.run(navigate("about:blank"), navigate(url))
    assert outcome.error is not None
    assert outcome.error.code == "ADDRESS_BLOCKED", outcome
    assert outcome.error.details["step"] == 2
    assert any(
        name in outcome.error.message for name in ("169.254.169.254", "fe80::1", "metadata", "100.100.100.200", "a9fe")
    )


@pytest.mark.parametrize(
    "body",
    [
        f'<a id=go href="/redirect?to={METADATA}">go</a>',
        f'<a id=go href="{METADATA}">go</a>',
        f"<button id=go onclick=\"location = '{METADATA}'\">go</button>",
        f"<button id=go onclick=\"window.open('{METADATA}')\">go</button>",
        f'<form action="{METADATA}" method=post><button id=go>go</button></form>',
    ],
)
def test_a_page_that_leads_there_fails_the_task(bench: Bench, site: Site, body: str) -> None:
    outcome = bench.run(navigate(site.page("/lead", body)), click("#go"))
    assert outcome.error is not None
    assert outcome.error.code == "ADDRESS_BLOCKED", outcome
    assert outcome.error.details["step"] == 2


def test_sub_resources_are_refused_and_the_page_goes_on(bench: Bench, site: Site) -> None:
    port = port_of(site)
    url = site.page(
        "/resources",
        f"""<p id=p data-result></p><iframe src="{METADATA}"></iframe><img src="{METADATA}"><script>
        const socket = new Promise((resolve) => {{
          const opened = new WebSocket('ws://169.254.169.254:{port}/');
          opened.onopen = () => resolve('open'); opened.onerror = () => resolve('refused');
        }});
        const failed = (address) => fetch(address, {{mode: 'no-cors'}}).then(() => 'came', () => 'refused');
        Promise.all([socket, failed('{METADATA}'), failed('/redirect?to={METADATA}')])
          .then((all) => {{ p.innerText = all.join(); }});
        </script>""",
    )
    text = {"type": "customStep", "name": "assertText", "parameters": {"selectors": ["#p"], "text": "refused"}}
    value = {"type": "customStep", "name": "extract", "parameters": {"selectors": ["#p"], "name": "p"}}
    outcome = bench.run(navigate(url), text, value)
    assert outcome.values == {"p": "refused,refused,refused"}, outcome
    assert outcome.status == "completed"


def test_names_are_resolved_once_and_checked(bench: Bench, site: Site, names: dict[str, list[list[str]]]) -> None:
    port = port_of(site)
    site.page("/named", "<p>named</p>")
    names["good.test"] = [["127.0.0.1"]]
    names["bad.test"] = [["169.254.169.254"]]
    names["both.test"] = [["127.0.0.1", "169.254.169.254"]]
    names["rebinding.test"] = [["127.0.0.1"], ["169.254.169.254"]]

    def code(host: str) -> str | None:
        outcome = bench.run(navigate(f"http://{host}:{port}/named", timeout=5000))
        return outcome.error.code if outcome.error else None

    assert code("good.test") is None
    assert code("bad.test") == "ADDRESS_BLOCKED"
    assert code("both.test") == "ADDRESS_BLOCKED"
    assert code("rebinding.test") is None, "it went to the address that was checked"
    assert code("rebinding.test") == "ADDRESS_BLOCKED"


def test_an_unknown_name_is_told_as_such(bench: Bench) -> None:
    outcome = bench.run(navigate("http://no-such-name.invalid/"))
    assert outcome.error is not None
    assert outcome.error.code == "NAVIGATION_FAILED"
    assert "cannot be resolved" in outcome.error.message


def test_pages_work_through_the_proxy(bench: Bench, site: Site, names: dict[str, list[list[str]]]) -> None:
    names["site.test"] = [["127.0.0.1"]]
    site.page(
        "/proxied",
        """<p id=p></p><script>
        fetch('/posted', {method: 'POST', body: JSON.stringify({a: 'x'.repeat(100000)})})
          .then((answer) => answer.text()).then((text) => fetch('/file?name=a&bytes=300000'))
          .then((answer) => answer.blob()).then((blob) => { p.innerText = 'got ' + blob.size; });
        </script>""",
    )
    text = {"type": "customStep", "name": "assertText", "parameters": {"selectors": ["#p"], "text": "got 300000"}}
    outcome = bench.run(navigate(f"http://site.test:{port_of(site)}/proxied"), text)
    assert outcome.status == "completed", outcome
    assert site.posted["/posted"] == {"a": "x" * 100_000}


def test_private_blocks_the_machine_itself_and_none_blocks_nothing(
    tmp_path: Path, chromium_path: str, site: Site
) -> None:
    url = site.page("/own", "own")
    port = port_of(site)
    codes = {}
    for policy in ("private", "none"):
        bench = Bench.make(tmp_path / policy, chromium=chromium_path, block_addresses=policy)
        try:
            for address in (url, f"http://localhost:{port}/own", f"http://[::1]:{port}/own", METADATA):
                outcome = bench.run(navigate(address, timeout=2500))
                codes[policy, address] = outcome.error.code if outcome.error else None
        finally:
            bench.browsers.close()
    assert {code for (policy, _), code in codes.items() if policy == "private"} == {"ADDRESS_BLOCKED"}
    assert codes["none", url] is None
    assert "ADDRESS_BLOCKED" not in {code for (policy, _), code in codes.items() if policy == "none"}


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "view-source:http://a/", "ftp://a/"]
)
def test_other_schemes_are_refused(bench: Bench, url: str) -> None:
    outcome = bench.run(navigate(url))
    assert outcome.error is not None
    assert outcome.error.code == "URL_REFUSED"
    assert outcome.error.details["step"] == 1


@pytest.mark.parametrize(
    "body",
    [
        '<a id=go href="file:///etc/passwd">go</a>',
        "<button id=go onclick=\"location = 'file:///etc/passwd'\">go</button>",
        "<button id=go onclick=\"window.open('file:///etc/passwd')\">go</button>",
        '<a id=go href="/redirect?to=file:///etc/passwd">go</a>',
        '<meta http-equiv=refresh content="0; url=file:///etc/passwd"><button id=go>go</button>',
        '<iframe src="file:///etc/passwd"></iframe><button id=go>go</button>',
    ],
)
def test_no_page_gets_to_files(bench: Bench, site: Site, body: str) -> None:
    steps = [
        navigate(site.page("/to-file", body)),
        click("#go"),
        {"type": "waitForElement", "selectors": ["text/root:"], "timeout": 1000},
    ]
    outcome = bench.run(*steps)
    assert outcome.error is not None, "it shows no file"
    assert not str(outcome.error.details.get("url", "")).startswith("file:")
    assert not any(
        "root:" in str(value)
        for value in outcome.error.details.values()
        if isinstance(value, str) and "text/" not in value
    )
