"""What a cascade saves on `digits`: python -m benchmarks.cascade

The threshold is chosen on the training rows, by predictions of models that had not seen them (five folds); the figures
are of the test rows, which chose nothing, each asked by itself. The cascade and the ensemble of the same models take
turns, row by row, in one process: read their times against each other. Trains the models if the registry lacks them.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aggregator.rules import make_rule
from aggregator.thresholds import Outlook, outlooks
from backends.served import Served
from models.calibration import tempered
from models.datasets import Split, dataset_called, split
from models.deadline import deadline_after
from models.estimators import ESTIMATORS
from models.registry import Registry
from models.training import FOLDS, SEED, train
from models.types import PROBABILITIES, Array, InferRequest
from server.compose import composed
from server.composites.cascade import CascadeSettings
from server.composites.ensemble import EnsembleSettings
from server.plan import make_plan
from server.settings import Config, LocalSettings, RegistrySettings

DATASET = "digits"
STAGES = (("logreg", "qda"), ("knn", "extra-trees", "mlp", "xgboost"))
CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
ROUNDS, WARM_UP = 3, 50


@dataclass(slots=True)
class Figures:
    """Of one contestant on the test rows: seconds of each request, CPU seconds of all of them, right answers."""

    seconds: list[float] = field(default_factory=list)
    cpu: float = 0.0
    right: int = 0
    went_on: int = 0

    def row(self, name: str) -> str:
        count = len(self.seconds)
        p50, p99 = (1e3 * float(np.quantile(self.seconds, level)) for level in (0.5, 0.99))
        mean, cpu = 1e3 * float(np.mean(self.seconds)), 1e3 * self.cpu / count
        share = f"{self.went_on / count:.1%}" if self.went_on else "-"
        return f"{name:<10}{share:>8}{self.right / count:>10.2%}{mean:>9.3f}{p50:>9.3f}{p99:>9.3f}{cpu:>9.3f}"


def out_of_fold(registry: Registry, rows: Split) -> list[dict[str, Array]]:
    """By stage and member: what models say, calibrated as they are served, of training rows that they had not seen."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)

    def said(member: str) -> Array:
        estimator = ESTIMATORS[DATASET][member](SEED)
        raw = cross_val_predict(estimator, rows.x_train, rows.y_train, cv=folds, method="predict_proba")
        return tempered(raw, registry.manifest(f"{DATASET}/{member}").temperature or 1.0)

    with threadpool_limits(1):
        return [{member: said(member) for member in stage} for stage in STAGES]


def chosen(table: Sequence[Outlook]) -> float:
    """The lowest threshold at which as many training rows are right as with every stage for every row."""
    *some, every = table
    enough = (one.min_confidence for one in some if one.accuracy >= every.accuracy)
    return next(enough, None) or CONFIDENCES[-1]


def config_of(registry: Registry, confidence: float) -> Config:
    members = [member for stage in STAGES for member in stage]
    return Config(
        registry=RegistrySettings(path=str(registry.path)),
        backends={member: LocalSettings(model=f"{DATASET}/{member}", inline=True) for member in members},
        composites={
            "cascade": CascadeSettings(stages=STAGES, min_confidence=confidence),
            "ensemble": EnsembleSettings(members=tuple(members)),
        },
    )


async def measured(config: Config, rows: Split) -> dict[str, Figures]:
    """Every test row, asked by itself, of either in turn."""
    figures = {"cascade": Figures(), "ensemble": Figures()}
    plan = make_plan(config, Registry(Path(config.registry.path)), Path())
    async with composed(plan, {}) as composition:
        contestants = {name: composition.find(name) for name in figures}
        for served in contestants.values():
            for row in range(WARM_UP):
                await _ask(served, rows.x_train[row : row + 1], Figures(), -1)
        for turn in range(ROUNDS):
            for row, truth in enumerate(rows.y_test):
                for name in sorted(contestants, reverse=(row + turn) % 2 == 1):
                    await _ask(contestants[name], rows.x_test[row : row + 1], figures[name], int(truth))
    return figures


async def _ask(served: Served, x: Array, figures: Figures, truth: int) -> None:
    request = InferRequest({served.signature.inputs[0].name: x})
    began, cpu = time.perf_counter(), time.process_time()
    response = await served.backend(request, deadline_after(10))
    figures.seconds.append(time.perf_counter() - began)
    figures.cpu += time.process_time() - cpu
    figures.right += int(response.outputs[PROBABILITIES][0].argmax()) == truth
    figures.went_on += response.report.stages is not None and int(response.report.stages[0]) > 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", type=Path, default=Path(".chorus/registry"), help="[default: %(default)s]")
    registry = Registry(parser.parse_args().registry)
    lacking = [member for stage in STAGES for member in stage if registry.missing([f"{DATASET}/{member}"])]
    if lacking:
        train(DATASET, registry, only=lacking)
    data = dataset_called(DATASET)
    rows = split(data, SEED)
    rule = make_rule("log_pool", "classification", len(data.labels))
    table = list(outlooks(rule, out_of_fold(registry, rows), rows.y_train, CONFIDENCES))
    print(f"{len(rows.y_train)} training rows, by models that had not seen them:\n")
    print(f"{'min_confidence':<16}{'need the dear':>14}{'accuracy':>10}")
    for outlook in table:
        print(f"{outlook.min_confidence or 'all rows':<16}{outlook.share:>14.1%}{outlook.accuracy:>10.2%}")
    confidence = chosen(table)
    figures = asyncio.run(measured(config_of(registry, confidence), rows))
    print(f"\n{len(rows.y_test)} test rows, {ROUNDS} times each, with min_confidence = {confidence:g}; ms a request:\n")
    print(f"{'':<10}{'dear':>8}{'accuracy':>10}{'mean':>9}{'p50':>9}{'p99':>9}{'CPU':>9}")
    for name, found in figures.items():
        print(found.row(name))
    cascade, ensemble = figures["cascade"], figures["ensemble"]
    print(f"\nof the ensemble's CPU time the cascade takes {cascade.cpu / ensemble.cpu:.1%}")


if __name__ == "__main__":
    main()
