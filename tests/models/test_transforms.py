"""Transformers in the registry: scikit-learn's and ONNX graphs, compiled, compared and named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from models.admission import Application, admitted
from models.errors import RegistryError
from models.promotion import promote
from models.registry import Registry
from models.types import Array

FEATURES = ["sl", "sw", "pl", "pw"]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def rows() -> Array:
    return np.asarray(load_iris().data, np.float32)


def bring(folder: Path, contents: Any, name: str = "t.skops", **said: Any) -> Any:
    """What comes of a file that someone brings."""
    path = folder / name
    path.write_bytes(contents if isinstance(contents, bytes) else skops.io.dumps(contents))
    return admitted(Application(name="own/t", file=str(path), **said))[0]


def graph_of(*outputs: tuple[str, int, list[Any]]) -> bytes:
    """A graph that gives its input under several names, cast to types."""
    nodes = [helper.make_node("Cast", ["x"], [name], to=kind) for name, kind, _ in outputs]
    infos = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])], infos)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def test_a_scaler_is_compiled_and_gives_its_columns_by_their_names(registry: Registry) -> None:
    scaler = StandardScaler().fit(rows())
    version = registry.register(scaler, "iris/scaled", rows(), features=FEATURES)
    manifest, model = version.manifest, registry.load("iris/scaled")
    assert (manifest.signature.task, manifest.runtime, manifest.compilation.agrees) == ("transform", "onnx", True)
    (output,) = manifest.signature.outputs
    assert (output.name, output.features, output.datatype) == ("features", tuple(FEATURES), "FP32")
    assert model({"features": rows()})["features"] == pytest.approx(scaler.transform(rows()), abs=1e-5)


def test_what_makes_columns_of_its_own_names_them_itself(registry: Registry) -> None:
    pipeline = make_pipeline(StandardScaler(), PCA(2)).fit(rows())
    signature = registry.register(pipeline, "iris/pca", rows(), features=FEATURES).manifest.signature
    assert signature.outputs[0].features == ("pca0", "pca1")
    assert registry.load("iris/pca")({"features": rows()[:1]})["features"].shape == (1, 2)


def test_names_may_be_said(registry: Registry) -> None:
    pipeline = PCA(2).fit(rows())
    signature = registry.register(
        pipeline, "iris/pca", rows(), features=FEATURES, outputs=["a", "b"]
    ).manifest.signature
    assert signature.outputs[0].features == ("a", "b")
    with pytest.raises(RegistryError, match="it gives 2 columns, but 3 outputs are named: a, b, c"):
        registry.register(pipeline, "iris/pca", rows(), features=FEATURES, outputs=["a", "b", "c"])


def test_what_does_not_name_its_columns_must_be_told(tmp_path: Path, registry: Registry) -> None:
    transformer = FunctionTransformer(np.sqrt).fit(rows())
    with pytest.raises(RegistryError, match="FunctionTransformer does not say what columns it gives; name them"):
        registry.register(transformer, "iris/f", rows(), features=FEATURES)
    version = registry.register(transformer, "iris/f", rows(), features=FEATURES, outputs=FEATURES)
    assert registry.load(str(version))({"features": rows()})["features"] == pytest.approx(np.sqrt(rows()), rel=1e-5)


def test_columns_of_strings_and_holes_are_encoded(registry: Registry) -> None:
    table = np.array([[1.0, "a"], [np.nan, "b"], [3.0, "a"]], object)
    encoder = ColumnTransformer([("n", SimpleImputer(), [0]), ("w", OneHotEncoder(), [1])]).fit(table)
    version = registry.register(encoder, "own/encoded", table, features=["n", "w"])
    signature = version.manifest.signature
    assert signature.outputs[0].features == ("n__n", "w__w_a", "w__w_b")
    inputs = {"n": np.array([[1], [np.nan]], np.float32), "w": np.array([["b"], ["a"]], object)}
    assert registry.load("own/encoded")(inputs)["features"].tolist() == [[1, 0, 1], [2, 1, 0]]


def test_a_file_of_scikit_learn_says_what_it_is(tmp_path: Path) -> None:
    scaler = StandardScaler().fit(rows())
    signature = bring(tmp_path, scaler, features=tuple(FEATURES)).signature
    assert (signature.task, signature.outputs[0].features) == ("transform", tuple(FEATURES))


def test_a_graph_is_one_if_its_owner_says_so(tmp_path: Path) -> None:
    contents = bytes(to_onnx(StandardScaler().fit(rows()), rows()[:1]).SerializeToString())
    said: dict[str, Any] = {"task": "transform", "features": tuple(FEATURES), "outputs": tuple(FEATURES)}
    manifest = bring(tmp_path, contents, "m.onnx", **said)
    assert [(spec.name, spec.features) for spec in manifest.signature.outputs] == [("variable", tuple(FEATURES))]
    plain = bring(tmp_path, contents, "m.onnx", task="transform")
    assert plain.signature.outputs[0].features == ()
    with pytest.raises(RegistryError, match=r"the outputs variable \[-1, 4\] do not have the 1 columns that are named"):
        bring(tmp_path, contents, "m.onnx", task="transform", outputs=("a",))


def test_a_graph_gives_all_its_tensors(tmp_path: Path, registry: Registry) -> None:
    contents = graph_of(("half", TensorProto.DOUBLE, [None, 2]), ("whole", TensorProto.INT64, [None, 2]))
    path = tmp_path / "m.onnx"
    path.write_bytes(contents)
    application = Application(name="own/g", file=str(path), task="transform", outputs=("a", "b", "c", "d"))
    registry.add(*admitted(application))
    assert [spec.features for spec in registry.manifest("own/g").signature.outputs] == [("a", "b"), ("c", "d")]
    said = registry.load("own/g")({"x": np.array([[1.5, 2.5]], np.float32)})
    assert (said["half"].tolist(), said["whole"].tolist()) == ([[1.5, 2.5]], [[1, 2]])


@pytest.mark.parametrize(
    ("estimator", "said", "words"),
    [
        (
            StandardScaler,
            {"labels": ("a", "b")},
            "StandardScaler transforms rows: it predicts nothing, and has no labels",
        ),
        (StandardScaler, {"task": "regression"}, "StandardScaler transforms rows"),
        (StandardScaler, {"temperature": 1.5}, "a temperature is for probabilities, and this is a transform"),
        (LogisticRegression, {"task": "transform"}, "LogisticRegression predicts: it is no transform"),
        (LogisticRegression, {"outputs": ("a",)}, "LogisticRegression predicts: it is no transform"),
    ],
)
def test_what_is_said_of_it_must_fit(tmp_path: Path, estimator: Any, said: dict[str, Any], words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        bring(tmp_path, estimator().fit(rows(), load_iris().target), **said)


def test_other_columns_are_promoted_by_force_alone(registry: Registry) -> None:
    registry.register(PCA(2).fit(rows()), "iris/pca", rows(), features=FEATURES)
    registry.register(PCA(3).fit(rows()), "iris/pca", rows(), features=FEATURES)
    with pytest.raises(RegistryError, match="iris/pca@2 gives other columns than the champion"):
        promote(registry, "iris/pca")
    assert promote(registry, "iris/pca", force=True).version == "2"
