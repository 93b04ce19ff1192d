"""A report says of each difference what was shown."""

import io
from dataclasses import replace

from rich.console import Console

from aggregator.evaluation import Difference
from models.registry import Registry
from server.commands.assessment import assess
from server.commands.report import effect_of, print_report
from server.commands.verdict import verdict


def difference(metric: str, low: float, high: float) -> Difference:
    return Difference(metric, (low + high) / 2, low, high)


def printed(registry: Registry, dataset: str, *, whole: bool) -> str:
    out = io.StringIO()
    print_report(Console(file=out, width=200), assess(dataset, registry, []), whole=whole)
    return out.getvalue()


def test_an_effect_is_no_difference_unless_an_interval_leaves_out_zero() -> None:
    nothing = {"accuracy": difference("accuracy", 0, 0.1), "log_loss": difference("log_loss", -0.1, 0.2)}
    assert effect_of(nothing) == "no difference shown"
    assert effect_of(nothing | {"log_loss": difference("log_loss", 0.1, 0.2)}) == "worse: log loss"
    both = {"accuracy": difference("accuracy", -0.2, -0.1), "log_loss": difference("log_loss", -0.2, -0.1)}
    assert effect_of(both) == "better: log loss; worse: accuracy"


def test_a_report_has_a_line_for_each_member_each_rule_and_each_pair_of_them(others: Registry) -> None:
    lines = printed(others, "diabetes", whole=True).splitlines()
    evaluation = assess("diabetes", others, []).evaluation
    assert "diabetes: 133 test rows, new to every model" in lines
    for member, figures in evaluation.members.items():
        assert any(line.split() == [member, "1", f"{figures['rmse']:.2f}"] for line in lines)
    for name, rule in evaluation.rules.items():
        assert any(line.split() == ["rule", name, f"{rule.figures['rmse']:.2f}"] for line in lines)
        for member, of in rule.without.items():
            (line,) = [
                line
                for line in lines[lines.index("what leaving a member out would change:") :]
                if line.split()[:2] == [name, member]
            ]
            one = of["rmse"]
            assert f"{one.value:+.2f} ({one.low:+.2f}, {one.high:+.2f})" in line
            assert line.rstrip().endswith(("better: RMSE", "worse: RMSE") if one.shown else "no difference shown")


def test_a_short_report_has_the_figures_and_the_verdict_alone(others: Registry) -> None:
    short, whole = (printed(others, "diabetes", whole=whole) for whole in (False, True))
    assert short.splitlines()[:4] == whole.splitlines()[:4]
    assert "leaving a member out" not in short
    said = verdict(assess("diabetes", others, []))
    assert short.endswith(f"\n{said}\n")
    assert whole.endswith(f"\n{said}\n")


def test_who_was_not_judged_is_named(others: Registry) -> None:
    out = io.StringIO()
    found = replace(assess("diabetes", others, []), left_out={"gp": "it is not in the registry"})
    print_report(Console(file=out, width=200), found, whole=False)
    assert "not judged: gp; it is not in the registry\n" in out.getvalue()
