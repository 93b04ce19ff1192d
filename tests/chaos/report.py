"""What the scenarios found, as one table in Markdown; and that table in a document, where some lines are new."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.claims import Claim
from benchmarks.report import replaced
from benchmarks.table import shown, table, target
from tests.chaos.scenario import LOOPS, Loop, Scenario

HEADINGS = ("goal", "what was done, and what must hold", "target", *LOOPS, "", "measured")
MARK = "chaos"

Claims = Sequence[Claim]
Found = Mapping[Loop, Claims | str]
"""By event loop: the figures, or why there are none."""


def lines(scenario: Scenario, found: Found, when: str) -> list[list[str]]:
    """Those of one scenario: the first says what was done and has its key, each of the others has a figure."""
    empty = [""] * (len(LOOPS) + 2)
    told = [[scenario.key, f"{scenario.about}: `make chaos GOALS={scenario.goal}`", *empty, when]]
    claims: dict[Loop, dict[str, Claim]] = {}
    for loop, said in found.items():
        if isinstance(said, str):
            told.append(["", f"- {loop}: {said}", *empty[1:], "**failed**", ""])
        else:
            claims[loop] = {claim.what: claim for claim in said}
    for what in dict.fromkeys(what for of in claims.values() for what in of):
        by_loop = {loop: of[what] for loop, of in claims.items() if what in of}
        told.append(["", *_figures(what, by_loop), ""])
    return told


def _figures(what: str, by_loop: Mapping[Loop, Claim]) -> list[str]:
    first = next(iter(by_loop.values()))
    values = [f"{shown(by_loop[loop].value)}{first.unit}" if loop in by_loop else "" for loop in LOOPS]
    return [f"- {what}", target(first.bound, first.unit), *values, _mark(by_loop)]


def _mark(by_loop: Mapping[Loop, Claim]) -> str:
    missed = [loop for loop, claim in by_loop.items() if claim.mark == "missed"]
    if not missed:
        return next(iter(by_loop.values())).mark
    return "**missed**" if len(missed) == len(by_loop) else f"**missed** ({', '.join(missed)})"


def holds(found: Found) -> bool:
    """Whether it could be run and nothing was missed."""
    return all(not isinstance(said, str) and all(claim.mark != "missed" for claim in said) for said in found.values())


def whole(told: Sequence[Sequence[str]]) -> str:
    """The table."""
    return table(HEADINGS, told, words=2)


def write(path: Path, new: Mapping[str, Sequence[Sequence[str]]], order: Sequence[str]) -> None:
    """Put `new` lines into the table between the marks in the file at `path`; others stay; all are in `order`."""
    text = path.read_text()
    by_key = {**_by_key(text), **new}
    told = [cells for key in order for cells in by_key.get(key, ())]
    path.write_text(replaced(text, MARK, whole(told)))


def _by_key(text: str) -> dict[str, Sequence[Sequence[str]]]:
    """The lines of the table that stands there, by the key in the first line of each scenario."""
    between = text.partition(f"<!-- {MARK} -->\n")[2].partition(f"\n<!-- end of {MARK} -->")[0]
    found: dict[str, list[list[str]]] = {}
    key = ""
    for line in between.splitlines()[2:]:  # after the head
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        key = cells[0] or key
        found.setdefault(key, []).append(cells)
    return dict(found)
