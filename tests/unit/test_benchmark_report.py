"""The benchmarks' table: medians, ratios, rounds in turn."""

from __future__ import annotations

from benchmarks.report import Row, in_turn, table


def test_the_ratio_says_how_many_times_better_we_are() -> None:
    row = Row("part", "work", "s", [1.0, 2.0, 9.0], [8.0, 1.0, 6.0], "peer", aim=">= 2", met=True)
    assert row.ratio == 3.0
    assert row.cells() == ("part", "work", "2 s", "6 s peer", "3.00", ">= 2", "yes")


def test_what_was_not_measured_has_no_numbers() -> None:
    row = Row("part", "work", "", note="wrk is missing")
    assert row.ratio is None
    assert row.cells() == ("part", "work", "-", "-", "-", "-", "-")
    assert "- part, work: wrk is missing" in table([row])


def test_sides_take_turns() -> None:
    calls: list[str] = []

    def side(name: str) -> float:
        calls.append(name)
        return len(calls)

    assert in_turn(2, lambda: side("a"), lambda: side("b")) == [[1, 3], [2, 4]]
    assert calls == ["a", "b", "a", "b"]


def test_the_columns_are_aligned() -> None:
    lines = table([Row("a", "short", "s", [1.0]), Row("longer", "任务", "s", [12.5])]).splitlines()
    assert len(lines) == 4
    assert {line.index("|", 1) for line in lines} == {9}
