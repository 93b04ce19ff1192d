"""scikit-learn models from skops files, and nothing else."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from models.errors import RegistryError
from models.manifest import Compilation, Manifest
from models.registry import Registry
from models.runtimes import load_contents
from models.runtimes.sklearn import read_estimator
from models.types import TensorSpec, classifier

SIGNATURE = classifier((TensorSpec("features", "FP32", (-1, 2)),), ("a", "b"))


class Bomb:
    """A pickle that would leave a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.trace,))


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    registry, trace = Registry(tmp_path / "registry"), tmp_path / "trace"
    contents = pickle.dumps(Bomb(trace))
    pickle.loads(contents)
    trace.unlink()  # the bomb works
    manifest = Manifest("bomb", SIGNATURE, "sklearn", "model.skops", "model.skops", Compilation(converted=False))
    registry.add(manifest, {"model.skops": contents})
    for use in (registry.load, registry.original):
        with pytest.raises(RegistryError, match="no skops file"):
            use("bomb")
    assert not trace.exists()


@pytest.mark.parametrize("function", [Path.touch, np.testing.assert_equal], ids=["a stranger's", "a library's"])
def test_a_type_that_is_not_trusted_is_named_and_refused(function: object) -> None:
    with pytest.raises(RegistryError, match=r"not trusted: .*(touch|assert_equal)"):
        read_estimator(skops.io.dumps(FunctionTransformer(function)))


def test_an_original_is_the_estimator_itself(trained: Registry) -> None:
    assert trained.original("breast-cancer/forest").n_estimators == 200
    assert type(trained.original("breast-cancer/hist-gb")).__name__ == "HistGradientBoostingClassifier"


def test_every_original_can_be_served(trained: Registry) -> None:
    for name in ("breast-cancer/logreg", "breast-cancer/forest", "breast-cancer/mlp"):
        version = trained.resolve(name)
        contents = (version.folder / version.manifest.original).read_bytes()
        inputs = {"features": np.array(version.manifest.examples, np.float32)}
        said = load_contents(contents, "sklearn", version.manifest.signature, version.manifest.temperature)(inputs)
        assert np.abs(said["probabilities"] - trained.load(name)(inputs)["probabilities"]).max() < 1e-5


def test_a_truncated_file_is_refused() -> None:
    contents = skops.io.dumps(LogisticRegression())
    with pytest.raises(RegistryError, match="no skops file"):
        read_estimator(contents[: len(contents) // 2])
