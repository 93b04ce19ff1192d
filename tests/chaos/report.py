"""What the scenarios found, as one table in Markdown; and that table in a document, where some lines are new."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.claims import Claim
from benchmarks.report import replaced
from benchmarks.table import shown, table, target
from tests.chaos.scenario import LOOPS, Loop, Scenario

HEADINGS = ("goal", "what was done, and what must hold", "target", *LOOPS)
FIRST = HEADINGS.index(LOOPS[0])
MARK = "chaos"
MISSED, FAILED, UNKNOWN = "**{}**", "**failed**", "not measured"

Claims = Sequence[Claim]
Found = Mapping[Loop, Claims | str]
"""By event loop: the figures, or why there are none."""
Lines = list[list[str]]


def lines(scenario: Scenario, found: Found, when: str) -> Lines:
    """Those of one scenario: the first has its key, what was done, and when; each of the others has a figure.

    What is missed is bold.
    """
    whens = [when if loop in found else "" for loop in LOOPS]
    told = [[scenario.key, f"{scenario.about}: `make chaos GOALS={scenario.goal}`", "", *whens]]
    claims: dict[Loop, dict[str, Claim]] = {}
    for loop, said in found.items():
        if isinstance(said, str):
            told.append(["", f"- {said}", "", *(FAILED if loop == one else "" for one in LOOPS)])
        else:
            claims[loop] = {claim.what: claim for claim in said}
    for what in dict.fromkeys(what for of in claims.values() for what in of):
        by_loop = {loop: of[what] for loop, of in claims.items() if what in of}
        first = next(iter(by_loop.values()))
        cells = [_cell(by_loop[loop]) if loop in by_loop else "" for loop in LOOPS]
        told.append(["", f"- {what}", target(first.bound, first.unit), *cells])
    return told


def _cell(claim: Claim) -> str:
    if claim.mark == "not measured":
        return UNKNOWN
    said = f"{shown(claim.value)}{claim.unit}"
    return MISSED.format(said) if claim.mark == "missed" else said


def holds(found: Found) -> bool:
    """Whether it could be run and nothing was missed."""
    return all(not isinstance(said, str) and all(claim.mark != "missed" for claim in said) for said in found.values())


def whole(told: Sequence[Sequence[str]]) -> str:
    """The table."""
    return table(HEADINGS, told, words=2)


def write(path: Path, new: Mapping[str, Lines], order: Sequence[str]) -> None:
    """Put `new` lines into the table between the marks in the file at `path`; others stay; all are in `order`.

    So do the figures of an event loop that was not run this time.
    """
    text = path.read_text()
    old = _by_key(text)
    by_key = {**old, **{key: _with_others(told, old.get(key, [])) for key, told in new.items()}}
    told = [cells for key in order for cells in by_key.get(key, ())]
    path.write_text(replaced(text, MARK, whole(told)))


def _with_others(new: Lines, old: Lines) -> Lines:
    """`new`, and of the event loops that it says nothing about what `old` says."""
    others = [at for at in range(FIRST, len(HEADINGS)) if not new[0][at]]
    if not old or not others:
        return new
    before = {cells[1]: cells for cells in old[1:]}
    told = [_filled(new[0], old[0], others)]
    told += [_filled(cells, before.pop(cells[1], None), others) for cells in new[1:]]
    blank = [""] * len(HEADINGS)
    left = [_filled([*cells[:FIRST], *blank[FIRST:]], cells, others) for cells in before.values()]
    return told + [cells for cells in left if any(cells[FIRST:])]


def _filled(cells: list[str], old: list[str] | None, places: Sequence[int]) -> list[str]:
    return cells if old is None else [old[at] if at in places else cell for at, cell in enumerate(cells)]


def _by_key(text: str) -> dict[str, Lines]:
    """The lines of the table that stands there, by the key in the first line of each scenario."""
    between = text.partition(f"<!-- {MARK} -->\n")[2].partition(f"\n<!-- end of {MARK} -->")[0]
    found: dict[str, Lines] = {}
    key = ""
    for line in between.splitlines()[2:]:  # after the head
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        key = cells[0] or key
        found.setdefault(key, []).append(cells)
    return found
