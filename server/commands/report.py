"""An assessment on a console: what each member and rule is worth, what leaving one out would change, a verdict."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from aggregator.evaluation import RESAMPLES, Difference, Differences
from models.registry import Version
from server.commands.assessment import Assessment
from server.commands.verdict import figure, verdict, words

NOTE = (
    f"In brackets: 95 % intervals of {RESAMPLES:,} paired resamples of the test rows; where one holds zero, no "
    "difference is shown. Of all intervals about one in twenty misses the truth by chance, and the best member is "
    "picked by these very rows, which flatters it."
)


def models_table(versions: Sequence[Version]) -> Table:
    """What was registered, and whether it could be compiled."""
    table = _table("model", "version", "runtime", "temperature", "compiled")
    for version in versions:
        manifest, compilation = version.manifest, version.manifest.compilation
        temperature = "" if manifest.temperature is None else f"{manifest.temperature:.3g}"
        differs = f"differs by at most {compilation.max_difference or 0:.1g}"
        table.add_row(manifest.name, manifest.version, manifest.runtime, temperature, compilation.reason or differs)
    return table


def print_report(console: Console, assessment: Assessment, *, whole: bool) -> None:
    """What was found, the verdict last; unless `whole`, without the differences."""
    evaluation = assessment.evaluation
    console.print(f"\n[bold]{assessment.dataset}[/bold]: {evaluation.rows} test rows, new to every model")
    for member, reason in assessment.left_out.items():
        console.print(f"not judged: {member}; {reason}", soft_wrap=True)
    console.print(_figures(assessment))
    if whole:
        _print_differences(console, assessment)
    console.print(f"\n{verdict(assessment)}", style="bold", soft_wrap=True, markup=False)


def _print_differences(console: Console, assessment: Assessment) -> None:
    rules = assessment.evaluation.rules
    console.print(f"\nthe ensemble with {assessment.rule}, less each member alone:")
    console.print(_differences({("alone", assessment.rule): rules[assessment.rule].against}, "the ensemble is"))
    left_out = {("left out", name): rule.without for name, rule in rules.items() if rule.without}
    if left_out:
        console.print("\nwhat leaving a member out would change:")
        console.print(_differences(left_out, "without it"))


def _figures(assessment: Assessment) -> Table:
    evaluation = assessment.evaluation
    table = _table("member or rule", "version", *map(words, evaluation.rules[assessment.rule].figures))
    for member, figures in evaluation.members.items():
        version = assessment.versions[member]
        table.add_row(member, version, *(figure(metric, value) for metric, value in figures.items()))
    for name, rule in evaluation.rules.items():
        shown = [figure(metric, value) for metric, value in rule.figures.items()]
        table.add_row(f"rule {name}", "", *shown)
    return table


def _differences(blocks: Mapping[tuple[str, str], Mapping[str, Differences]], effect: str) -> Table:
    """A row for each rule and member."""
    (kind, _), first = next(iter(blocks.items()))
    table = _table("rule", kind, *map(words, next(iter(first.values()))), effect)
    for (_, rule), members in blocks.items():
        for member, of in members.items():
            table.add_row(rule, member, *map(_interval, of.values()), effect_of(of))
    return table


def _interval(difference: Difference) -> str:
    ends = (difference.value, difference.low, difference.high)
    value, low, high = (figure(difference.metric, number, "+") for number in ends)
    return f"{value} ({low}, {high})"


def effect_of(differences: Differences) -> str:
    """`better: log loss; worse: accuracy`, as far as anything is shown."""
    better = [words(metric) for metric, difference in differences.items() if difference.better]
    worse = [words(metric) for metric, difference in differences.items() if difference.worse]
    sides = [f"{side}: {', '.join(shown)}" for side, shown in (("better", better), ("worse", worse)) if shown]
    return "; ".join(sides) or "no difference shown"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading)
    return table
