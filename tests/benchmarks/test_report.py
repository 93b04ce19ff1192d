from pathlib import Path

import pytest

from benchmarks.__main__ import README
from benchmarks.bench import Result, Scenario
from benchmarks.claims import Bound, Claim
from benchmarks.report import replaced, section, write_sections
from benchmarks.scenarios import SCENARIOS
from benchmarks.spread import Spread

SCENARIO = Scenario("start", "the start of a server", lambda options: 1.0, lambda bench: Result(()))


def test_a_section_has_a_sentence_the_machine_the_claims_and_the_figures_behind_them() -> None:
    found = Result((Claim("ready", Spread((1.0,)), Bound(3), " s"),), "| details |")
    parts = section(SCENARIO, found, "two cores").split("\n\n")
    assert parts[:3] == ["### start", "The start of a server.", "two cores"]
    assert "| ready |   1.00 s |" in parts[3]
    assert parts[4] == "| details |"


def test_a_section_of_what_failed_says_why() -> None:
    assert section(SCENARIO, "status 12").endswith("**Failed**: status 12")


def test_a_section_is_put_between_its_marks_and_nothing_else_is_touched() -> None:
    text = "before\n<!-- a -->\nold\n<!-- end of a -->\n<!-- b -->\n\n<!-- end of b -->\nafter"
    again = replaced(replaced(text, "a", "new"), "b", "other")
    assert again == "before\n<!-- a -->\nnew\n<!-- end of a -->\n<!-- b -->\nother\n<!-- end of b -->\nafter"


def test_a_file_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for a"):
        replaced("nothing", "a", "new")


def test_the_readme_has_a_place_for_every_scenario(tmp_path: Path) -> None:
    copy = tmp_path / "README.md"
    copy.write_text(README.read_text())
    write_sections(copy, {scenario.name: f"of {scenario.name}" for scenario in SCENARIOS})
    assert all(f"of {scenario.name}" in copy.read_text() for scenario in SCENARIOS)
