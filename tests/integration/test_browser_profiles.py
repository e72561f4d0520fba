"""Login states: kept from one task to the next, apart by workspace, used by one task at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bg_runner.tasks.execution import Execution
from bg_runner.tasks.models import BrowserTask
from tests.browser_execution import Bench, Running, custom, navigate, noted, task_of
from tests.conditions import wait_until
from tests.integration.browser_site import Site, serve

LOG_IN = """<script>
  document.cookie = 'user=ann; max-age=9999';
  localStorage.user = 'ann';
  const asked = indexedDB.open('state', 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore('users', {keyPath: 'id'});
  asked.onsuccess = () => {
    const change = asked.result.transaction('users', 'readwrite');
    change.objectStore('users').put({id: 1, name: 'ann'});
    change.oncomplete = () => { window.stored = true; };
  };
</script>"""
SHOW = """<p id=p></p><script>
  const asked = indexedDB.open('state', 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore('users', {keyPath: 'id'});
  asked.onsuccess = () => {
    const wanted = asked.result.transaction('users').objectStore('users').get(1);
    wanted.onsuccess = () => {
      p.innerText = `shown: ${document.cookie} ${localStorage.user} ${wanted.result && wanted.result.name}`;
    };
  };
</script>"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve() as served:
        served.page("/log-in", LOG_IN)
        served.page("/show", SHOW)
        yield served


@pytest.fixture
def bench(tmp_path: Path, chromium_path: str) -> Iterator[Bench]:
    made = Bench.make(tmp_path / "data", chromium=chromium_path)
    yield made
    made.browsers.close()


def log_in(site: Site) -> BrowserTask:
    return task_of(
        navigate(f"{site.url}/log-in"), {"type": "waitForExpression", "expression": "window.stored"}, profile="shop"
    )


def shown(bench: Bench, site: Site, profile: str | None, session_id: str = "session") -> object:
    task = task_of(
        navigate(f"{site.url}/show"),
        custom("assertText", selectors=["#p"], text="shown"),
        custom("extract", selectors=["#p"], name="p"),
        profile=profile,
    )
    outcome = bench.executor.execute(task, bench.execution(session_id=session_id))
    return outcome.values.get("p", outcome)


def test_a_login_lasts_for_those_who_name_it(bench: Bench, site: Site) -> None:
    assert bench.executor.execute(log_in(site), bench.execution()).status == "completed"

    assert shown(bench, site, "shop") == "shown: user=ann ann ann"
    assert shown(bench, site, None) == "shown: undefined undefined"
    assert shown(bench, site, "other") == "shown: undefined undefined"
    assert shown(bench, site, "shop", session_id="another workspace") == "shown: undefined undefined"
    paths = [path for path in (bench.settings.data_dir / "profiles").rglob("*") if path.is_file()]
    assert {path.name for path in paths} == {"shop.json", "other.json"}
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}


@pytest.mark.parametrize("content", ["{ not json", "[]", '{"cookies": 5}'])
def test_an_unreadable_profile_is_set_aside(bench: Bench, site: Site, content: str) -> None:
    bench.executor.execute(log_in(site), bench.execution())
    (path,) = (bench.settings.data_dir / "profiles").rglob("shop.json")
    path.write_text(content)
    assert shown(bench, site, "shop") == "shown: undefined undefined"
    assert [other.read_text() for other in path.parent.glob("*.corrupt-*")] == [content]


def test_one_user_at_a_time_and_a_stop_lets_a_waiter_go(bench: Bench, site: Site) -> None:
    def begin() -> tuple[Running, Execution]:
        execution = bench.execution()
        wait = {"type": "waitForExpression", "expression": "window.never", "timeout": 60_000}
        return bench.begin(task_of(navigate(f"{site.url}/show"), wait, profile="shop"), execution), execution

    def at_work(execution: Execution) -> bool:
        return bool(noted(execution).steps) and noted(execution).steps[-1][0] == 2

    first, first_execution = begin()
    wait_until(lambda: at_work(first_execution), 30)
    second, second_execution = begin()
    third, third_execution = begin()
    began = time.monotonic()
    second_execution.stop.set()
    assert second.result(2).status == "stopped"
    assert time.monotonic() - began < 2
    assert noted(second_execution).steps == []
    assert noted(third_execution).steps == []

    first_execution.stop.set()
    assert first.result(5).status == "stopped"
    wait_until(lambda: at_work(third_execution), 30)
    third_execution.stop.set()
    assert third.result(5).status == "stopped"
