"""Whether an ensemble pays, in a few plain words that claim no more than was shown."""

from aggregator.evaluation import Comparison, compare
from server.commands.assessment import Assessment

ANSWERS = {
    (True, False): "Yes, it is better than its best member alone",
    (True, True): "Yes and no, it is better than its best member alone by one measure, and worse by another",
    (False, True): "No, its best member alone is better",
    (False, False): "Not shown, its best member alone may do as well",
}
"""By whether the ensemble is better, and whether it is worse, than the best member by some measure."""


def verdict(assessment: Assessment) -> str:
    """One sentence, for the rule that the ensemble has by default."""
    compared = compare(assessment.evaluation, assessment.rule)
    differences = [one.difference for one in compared.values()]
    answer = ANSWERS[any(one.better for one in differences), any(one.worse for one in differences)]
    clauses = "; ".join(_clause(assessment, metric, one) for metric, one in compared.items())
    return f"Does the ensemble pay on {assessment.dataset}? {answer}: {clauses}."


def _clause(assessment: Assessment, metric: str, compared: Comparison) -> str:
    evaluation = assessment.evaluation
    whole, alone = evaluation.rules[assessment.rule].figures[metric], evaluation.members[compared.best][metric]
    return (
        f"{words(metric)} {figure(metric, whole)} with {assessment.rule}, {figure(metric, alone)} with {compared.best} "
        f"alone ({'a difference' if compared.difference.shown else 'no difference shown'}), shown to be better than "
        f"{compared.beaten} and worse than {compared.lost_to} of {len(evaluation.members)} members"
    )


def words(metric: str) -> str:
    """`metric` as people say it."""
    return "RMSE" if metric == "rmse" else metric.replace("_", " ")


def figure(metric: str, value: float, sign: str = "") -> str:
    """`value` with as many places as a few hundred rows can tell; a zero has no sign."""
    shown = f"{value:{sign}.{2 if metric == 'rmse' else 4}f}"
    return shown if float(shown) else shown.lstrip("+-")
