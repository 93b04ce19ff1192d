"""Tables in Markdown, which are as readable on a terminal."""

from collections.abc import Iterable, Sequence

from benchmarks.claims import Bound, Claim

HEADINGS = ("", "measured", "spread", "target", "")


def claims_table(claims: Iterable[Claim]) -> str:
    """One line for each claim, with its mark."""
    return table(HEADINGS, [_line(claim) for claim in claims])


def table(headings: Sequence[str], lines: Iterable[Sequence[str]], words: int = 1) -> str:
    """All columns but the first so many are aligned to the right, as figures are."""
    rows = [list(headings), *map(list, lines)]
    widths = [max(3, *(len(row[at]) for row in rows)) for at in range(len(headings))]
    rule = [*("-" * width for width in widths[:words]), *("-" * (width - 1) + ":" for width in widths[words:])]
    return "\n".join(_row(row, widths, words) for row in (rows[0], rule, *rows[1:]))


def _row(cells: Sequence[str], widths: Sequence[int], words: int) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells[:words], widths, strict=False)]
    padded += [cell.rjust(width) for cell, width in zip(cells[words:], widths[words:], strict=True)]
    return f"| {' | '.join(padded)} |"


def _line(claim: Claim) -> tuple[str, ...]:
    figure = claim.figure
    spread = "" if claim.exact or len(figure.values) == 1 else f"{figure.relative:.0%}"
    mark = f"**{claim.mark}**" if claim.mark in ("missed", "not measured") else claim.mark
    if claim.mark == "not measured":
        mark += f" (held in {claim.within} of {len(figure.values)})"
    return claim.what, f"{shown(claim.value)}{claim.unit}", spread, target(claim.bound, claim.unit), mark


def target(bound: Bound | None, unit: str = "") -> str:
    """What a bound asks for, in words."""
    if bound is None:
        return ""
    if bound.most == bound.least and bound.most is not None:
        return f"{shown(bound.most)}{unit}"
    parts = [] if bound.most is None else [f"at most {shown(bound.most)}{unit}"]
    parts += [] if bound.least is None else [f"at least {shown(bound.least)}{unit}"]
    return ("goal: " if bound.goal else "") + ", ".join(parts)


def shown(value: float) -> str:
    """Three digits that count, and no exponent; of a whole number, as it is counted, all; never 100 if it is less."""
    if isinstance(value, int) or value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:  # with as many digits as it takes to say that nearly all is not all
        return next(said for digits in range(1, 16) if abs(float(said := f"{value:.{digits}f}")) < 100)
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
