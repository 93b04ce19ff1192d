"""All scenarios: every file in `scenarios/` has some, in a tuple called SCENARIOS."""

from importlib import import_module
from pathlib import Path

from tests.chaos.scenario import Scenario

FOLDER = Path(__file__).with_name("scenarios")


def scenarios() -> list[Scenario]:
    """Those of all files, in the order of the goals."""
    names = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
    found = [one for name in names for one in import_module(f"tests.chaos.scenarios.{name}").SCENARIOS]
    return sorted(found, key=lambda one: (int("".join(filter(str.isdigit, one.goal))), one.goal))


def chosen(goals: tuple[str, ...]) -> list[Scenario]:
    """Those of these goals, by the goal alone or with the name of one scenario; without any, all.

    Raises:
        ValueError: there is none for one of them.
    """
    everything = scenarios()
    for goal in goals:
        if not any(goal in (one.goal, one.name) for one in everything):
            known = sorted({one.goal for one in everything}, key=[one.goal for one in everything].index)
            raise ValueError(f"no scenario for {goal!r}; there are {', '.join(known)}")
    return [one for one in everything if not goals or one.goal in goals or one.name in goals]
