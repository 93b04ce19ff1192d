"""What `chorus train` finds out about an ensemble: its models, as they are served, on the rows of the test split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aggregator.evaluation import LEVEL, RESAMPLES, Differences, Evaluation, evaluate
from aggregator.rules import DEFAULT_RULE
from models import training
from models.datasets import Dataset, dataset_called, split
from models.manifest import Manifest
from models.registry import Registry, Version
from models.types import PREDICTIONS, PROBABILITIES, Array


@dataclass(frozen=True, slots=True)
class Assessment:
    """An evaluation and what went into it: a version for each member. `left_out` are members not judged, and why."""

    dataset: str
    versions: Mapping[str, str]
    left_out: Mapping[str, str]
    evaluation: Evaluation

    @property
    def rule(self) -> str:
        """The rule that the ensemble has unless it is told otherwise."""
        return DEFAULT_RULE[self.evaluation.task]


def assess(dataset: str, registry: Registry, trained: Sequence[Version]) -> Assessment:
    """Judge the ensemble of `dataset`: the versions just `trained`, and the champions of its other members.

    Raises:
        RegistryError: a model cannot be read.
    """
    data = dataset_called(dataset)
    just = {version.name: version for version in trained}
    members: dict[str, Version] = {}
    left_out: dict[str, str] = {}
    for member in training.members(dataset):
        name = f"{dataset}/{member}"
        if name not in just and registry.missing([name]):
            left_out[member] = "it is not in the registry"
            continue
        version = just.get(name) or registry.resolve(name)
        if _comparable(version.manifest, data):
            members[member] = version
        else:
            left_out[member] = f"{version} was not trained on this split, so it may know these rows"
    rows = split(data, training.SEED)
    scores = {member: _scores(registry, version, rows.x_test) for member, version in members.items()}
    versions = {member: version.version for member, version in members.items()}
    return Assessment(dataset, versions, left_out, evaluate(data.task, scores, rows.y_test))


def _comparable(manifest: Manifest, data: Dataset) -> bool:
    """Whether the model learnt from the training rows of the very same split, so that the test rows are new to it."""
    record = manifest.training
    if record is None or manifest.signature.labels != data.labels:
        return False
    return (record.dataset_sha256, record.seed) == (data.sha256, training.SEED)


def _scores(registry: Registry, version: Version, x: Array) -> Array:
    """(n, k), as the rules take them."""
    (spec,) = version.manifest.signature.inputs
    said = registry.load(str(version))({spec.name: np.ascontiguousarray(x, spec.dtype)})
    return said[PROBABILITIES] if PROBABILITIES in said else said[PREDICTIONS][:, None]


def document(assessment: Assessment) -> dict[str, Any]:
    """What was found, for programs."""
    evaluation, versions = assessment.evaluation, assessment.versions
    return {
        "split": "test",
        "rows": evaluation.rows,
        "interval": {"level": LEVEL, "resamples": RESAMPLES, "method": "paired bootstrap, percentile"},
        "members": {name: {"version": versions[name], **figures} for name, figures in evaluation.members.items()},
        "left_out": dict(assessment.left_out),
        "default_rule": assessment.rule,
        "rules": {
            name: {
                **rule.figures,
                "without": {member: _described(differences) for member, differences in rule.without.items()},
                "against": {member: _described(differences) for member, differences in rule.against.items()},
            }
            for name, rule in evaluation.rules.items()
        },
    }


def _described(differences: Differences) -> dict[str, Any]:
    return {
        metric: {"difference": one.value, "low": one.low, "high": one.high, "shown": one.shown}
        for metric, one in differences.items()
    }
