"""The verdict claims what was shown, and no more."""

import pytest

from aggregator.evaluation import Difference, Evaluation, RuleEvaluation
from server.commands.assessment import Assessment
from server.commands.verdict import figure, verdict, words

BETTER, NONE, WORSE = (-0.3, -0.1), (-0.1, 0.2), (0.1, 0.3)  # intervals of a loss


def assessment(loss: tuple[float, float], accuracy: tuple[float, float] = NONE) -> Assessment:
    """An ensemble whose difference from its best member `b` has these intervals, and that is better than `a`."""

    def differences(loss: tuple[float, float], accuracy: tuple[float, float]) -> dict[str, Difference]:
        return {
            "accuracy": Difference("accuracy", sum(accuracy) / 2, *accuracy),
            "log_loss": Difference("log_loss", sum(loss) / 2, *loss),
        }

    rule = RuleEvaluation(
        {"accuracy": 0.9, "log_loss": 0.25},
        {},
        {"a": differences(BETTER, (0.1, 0.2)), "b": differences(loss, accuracy)},
    )
    alone = {"a": {"accuracy": 0.8, "log_loss": 0.5}, "b": {"accuracy": 0.85, "log_loss": 0.3}}
    evaluation = Evaluation("classification", 100, alone, {"log_pool": rule})
    return Assessment("digits", {"a": "1", "b": "1"}, {}, evaluation)


@pytest.mark.parametrize(
    ("loss", "accuracy", "answer"),
    [
        (BETTER, NONE, "Yes, it is better than its best member alone:"),
        (NONE, NONE, "Not shown, its best member alone may do as well:"),
        (WORSE, NONE, "No, its best member alone is better:"),
        (
            WORSE,
            (0.1, 0.3),
            "Yes and no, it is better than its best member alone by one measure, and worse by another:",
        ),
        (NONE, (-0.3, -0.1), "No, its best member alone is better:"),
    ],
)
def test_the_answer_follows_from_the_intervals_against_the_best_member(
    loss: tuple[float, float], accuracy: tuple[float, float], answer: str
) -> None:
    assert verdict(assessment(loss, accuracy)).startswith(f"Does the ensemble pay on digits? {answer} accuracy 0.9000 ")


def test_a_verdict_names_the_figures_the_best_member_and_how_many_are_beaten() -> None:
    said = verdict(assessment(WORSE))
    assert said.endswith(
        "log loss 0.2500 with log_pool, 0.3000 with b alone (a difference), shown to be better than 1 and worse than 1 "
        "of 2 members."
    )
    assert "0.8500 with b alone (no difference shown), shown to be better than 1 and worse than 0 of 2 members;" in said


def test_figures_have_the_places_that_the_rows_can_tell() -> None:
    assert figure("accuracy", 0.98765) == "0.9877"
    assert figure("rmse", 51.896) == "51.90"
    assert (figure("log_loss", 0.01, "+"), figure("log_loss", -0.01, "+")) == ("+0.0100", "-0.0100")
    assert (figure("log_loss", -0.00001, "+"), figure("rmse", 0.001, "+")) == ("0.0000", "0.00")


def test_metrics_have_the_names_that_people_use() -> None:
    assert [words(name) for name in ("rmse", "log_loss", "accuracy")] == ["RMSE", "log loss", "accuracy"]
