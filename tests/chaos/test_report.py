"""The table of the chaos suite: what it says, and that it keeps what was not measured anew."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.claims import Claim
from models.registry import Registry
from tests.chaos.__main__ import outcome
from tests.chaos.figures import exactly, measured, share, timed
from tests.chaos.report import Found, holds, lines, whole, write
from tests.chaos.scenario import LOOPS, Scenario, Stage
from tests.chaos.suite import chosen, scenarios


async def nothing(_stage: Stage) -> list[Claim]:
    return []


ONE = Scenario("G1", "stopped", "one is stopped", 1, nothing)
TWO = Scenario("G2", "killed", "two are killed", 1, nothing)
FOUND: Found = {
    "uvloop": [share("answered", 30, 30, least=100), timed("p99", 201, most=225), exactly("errors", 0, 0)],
    "asyncio": [share("answered", 29, 30, least=100), timed("p99", 199, most=225), exactly("errors", 0, 0)],
}


def cells(line: list[str]) -> str:
    return " | ".join(line)


def test_each_figure_stands_beside_its_target_for_each_event_loop_and_is_bold_if_missed() -> None:
    assert [cells(line) for line in lines(ONE, FOUND, "today")] == [
        "G1 stopped | one is stopped: `make chaos GOALS=G1` |  | today | today",
        " | - answered | at least 100 % | 100 % | **96.7 %**",
        " | - p99 | at most 225 ms | 201 ms | 199 ms",
        " | - errors | 0 | 0 | 0",
    ]
    assert not holds(FOUND)


def test_what_was_never_seen_is_not_measured() -> None:
    [_, line] = lines(ONE, {"uvloop": [timed("p99", float("inf"), most=225)]}, "today")
    assert cells(line) == " | - p99 | at most 225 ms | not measured | "


def test_what_a_machine_lacks_for_a_scenario_is_said_instead_of_trying_it(tmp_path: Path) -> None:
    lacking = replace(ONE, lacks=lambda: "it takes root")
    assert outcome(lacking, Registry(tmp_path), "uvloop", quick=True) == "not tried here: it takes root"


def test_what_could_not_be_run_is_said_and_holds_nothing() -> None:
    found: Found = {"uvloop": "OSError: no", "asyncio": [measured("more memory", 3.0, unit=" MB")]}
    assert [cells(line) for line in lines(ONE, found, "today")][1:] == [
        " | - OSError: no |  | **failed** | ",
        " | - more memory |  |  | 3.00 MB",
    ]
    assert not holds(found)
    assert holds({"uvloop": [timed("p99", 3, most=4)]})


def test_what_is_measured_anew_takes_its_place_and_all_else_stays(tmp_path: Path) -> None:
    page = tmp_path / "operations.md"
    page.write_text("before\n<!-- chaos -->\n\n<!-- end of chaos -->\nafter\n")
    first, second = lines(ONE, FOUND, "monday"), lines(TWO, FOUND, "monday")
    order = [ONE.key, TWO.key]
    write(page, {TWO.key: second}, order)
    write(page, {ONE.key: first}, order)
    assert whole([*first, *second]) in page.read_text()
    again = lines(TWO, {loop: [exactly("errors", 7, 0)] for loop in LOOPS}, "tuesday")
    write(page, {TWO.key: again}, order)
    text = page.read_text()
    assert whole([*first, *again]) in text
    assert (text.startswith("before\n"), text.endswith("after\n")) == (True, True)
    write(page, {}, [TWO.key])  # the other scenario is no more
    assert whole(again) in page.read_text()


def test_what_is_measured_anew_on_one_event_loop_leaves_the_figures_of_the_other(tmp_path: Path) -> None:
    page = tmp_path / "operations.md"
    page.write_text("<!-- chaos -->\n\n<!-- end of chaos -->\n")
    write(page, {ONE.key: lines(ONE, FOUND, "monday")}, [ONE.key])
    write(page, {ONE.key: lines(ONE, {"asyncio": [share("answered", 30, 30, least=100)]}, "tuesday")}, [ONE.key])
    told = [
        ["G1 stopped", "one is stopped: `make chaos GOALS=G1`", "", "monday", "tuesday"],
        ["", "- answered", "at least 100 %", "100 %", "100 %"],
        ["", "- p99", "at most 225 ms", "201 ms", ""],
        ["", "- errors", "0", "0", ""],
    ]
    assert whole(told) in page.read_text()


def test_scenarios_are_in_the_order_of_the_goals_and_each_has_a_key_of_its_own() -> None:
    keys = [scenario.key for scenario in scenarios()]
    assert len(set(keys)) == len(keys) > 0
    numbers = [int("".join(filter(str.isdigit, scenario.goal))) for scenario in scenarios()]
    assert numbers == sorted(numbers)


def test_a_goal_chooses_its_scenarios_and_a_name_one() -> None:
    assert {scenario.goal for scenario in chosen(("G2",))} == {"G2"}
    assert [scenario.name for scenario in chosen(("two-killed",))] == ["two-killed"]
    assert chosen(()) == scenarios()
    with pytest.raises(ValueError, match="no scenario for 'G99'; there are G"):
        chosen(("G2", "G99"))
