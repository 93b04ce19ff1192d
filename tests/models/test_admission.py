"""Files that users bring: what they say of themselves, and what is refused."""

import csv
import json
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import onnx
import pytest
import skops.io
import xgboost
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer

from models.admission import Application, admitted
from models.errors import RegistryError
from models.manifest import Manifest
from models.runtimes import load_contents
from models.types import Array

LABELS = ("setosa", "versicolor", "virginica")
FEATURES = ("sl", "sw", "pl", "pw")


@cache
def iris() -> tuple[Array, Array]:
    x, y = load_iris(return_X_y=True)
    return x.astype(np.float32), y


def linear() -> Any:
    return LogisticRegression(max_iter=1000).fit(*iris())


def onnx_of(estimator: Any, *, zipmap: bool = False) -> bytes:
    options = {id(estimator): {"zipmap": zipmap}}
    return bytes(to_onnx(estimator, iris()[0][:1], options=options).SerializeToString())


def network(shape: list[Any], columns: int = 3, *, external: bool = False) -> bytes:
    """A model as another tool exports it: a softmax over a product, or a sigmoid of one column."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [4, columns], np.linspace(-1, 1, 4 * columns).tolist())
    if external:
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="../secret")
        weights.ClearField("float_data")
    last = "Softmax" if columns > 1 else "Sigmoid"
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node(last, ["z"], ["p"])],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, columns])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def rows_csv(folder: Path) -> str:
    path = folder / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*FEATURES, "label"])
        writer.writerows([*map(float, row), LABELS[label]] for row, label in zip(*iris(), strict=True))
    return str(path)


def admit(folder: Path, file: str, contents: bytes, **said: Any) -> tuple[Manifest, dict[str, bytes]]:
    path = folder / file
    path.write_bytes(contents)
    return admitted(Application(name="own/model", file=str(path), **said))


def test_an_onnx_file_names_its_inputs_and_is_served_as_it_came(tmp_path: Path) -> None:
    contents = onnx_of(linear())
    manifest, files = admit(tmp_path, "m.onnx", contents, labels=LABELS, features=FEATURES, check=rows_csv(tmp_path))
    (spec,) = manifest.signature.inputs
    assert (spec.name, spec.datatype, spec.shape, spec.features) == ("X", "FP32", (-1, 4), FEATURES)
    assert (manifest.signature.labels, manifest.runtime, files) == (LABELS, "onnx", {"model.onnx": contents})
    assert manifest.metrics["accuracy"] > 0.95
    assert manifest.metrics_split == "rows.csv"
    assert [len(example) for example in manifest.examples] == [4, 4, 4]


def test_a_csv_names_the_columns_where_nobody_else_does(tmp_path: Path) -> None:
    manifest, _ = admit(tmp_path, "m.onnx", onnx_of(linear()), labels=LABELS, check=rows_csv(tmp_path))
    assert manifest.signature.features == FEATURES
    manifest, _ = admit(tmp_path, "m.onnx", onnx_of(linear()), labels=LABELS)
    assert manifest.signature.features == ("f0", "f1", "f2", "f3")
    assert manifest.metrics == {}


@pytest.mark.filterwarnings("ignore:Field onnx.AttributeProto.ints")
def test_several_typed_inputs_are_named_columns(tmp_path: Path) -> None:
    x, y = iris()
    table = x.astype(object)
    table[:, 0] = np.where(x[:, 0] > 5.8, "long", "short")
    table[:, 1] = x[:, 1].astype(int)
    table[::7, 2] = np.nan
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    words = ColumnTransformer([("w", encoder, [0])], remainder="passthrough")
    estimator = make_pipeline(words, HistGradientBoostingClassifier(max_iter=10)).fit(table, y)
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    kinds = [StringTensorType, Int64TensorType, FloatTensorType, FloatTensorType]
    types = [(name, kind([None, 1])) for name, kind in zip(FEATURES, kinds, strict=True)]
    contents = to_onnx(estimator, initial_types=types, options={id(estimator): {"zipmap": False}}).SerializeToString()
    manifest, _ = admit(tmp_path, "m.onnx", contents, labels=LABELS, nullable=True)
    inputs = manifest.signature.inputs
    assert [(spec.name, spec.datatype, spec.shape, spec.features) for spec in inputs] == [
        ("sl", "BYTES", (-1, 1), ("sl",)),
        ("sw", "INT64", (-1, 1), ("sw",)),
        ("pl", "FP32", (-1, 1), ("pl",)),
        ("pw", "FP32", (-1, 1), ("pw",)),
    ]
    assert [spec.nullable for spec in inputs] == [False, False, True, True]
    model = load_contents(contents, "onnx", manifest.signature)
    fed = {spec.name: table[:, [at]].astype(spec.dtype) for at, spec in enumerate(inputs)}
    assert np.isnan(fed["pl"]).any()
    assert np.abs(model(fed)["probabilities"] - estimator.predict_proba(table)).max() < 1e-5


def test_a_network_with_one_column_gives_the_second_labels_probability(tmp_path: Path) -> None:
    contents = network([None, 4], columns=1)
    manifest, _ = admit(tmp_path, "m.onnx", contents, labels=("no", "yes"))
    x = iris()[0][:2]
    said = load_contents(contents, "onnx", manifest.signature)({"x": x})["probabilities"]
    assert np.allclose(said[:, 1], 1 / (1 + np.exp(-x @ np.linspace(-1, 1, 4))))
    assert np.allclose(said.sum(axis=1), 1)


def test_an_open_number_of_columns_is_settled_by_the_features(tmp_path: Path) -> None:
    manifest, _ = admit(tmp_path, "m.onnx", network([None, None]), labels=LABELS, features=FEATURES)
    assert manifest.signature.inputs[0].shape == (-1, 4)
    with pytest.raises(RegistryError, match="name its columns with --features"):
        admit(tmp_path, "m.onnx", network([None, None]), labels=LABELS)


@pytest.mark.parametrize(
    ("contents", "said", "words"),
    [
        (lambda: onnx_of(linear(), zipmap=True), {"labels": LABELS}, r"list of dictionaries.*'zipmap': False"),
        (lambda: onnx_of(linear()), {}, "does not say what it predicts; say --labels a,b"),
        (lambda: onnx_of(linear()), {"labels": ("a", "b")}, r"own/model cannot be served: .*\(16, 2\), got \(16, 3\)"),
        (lambda: onnx_of(linear()), {"labels": LABELS, "features": ("a", "b")}, "takes 4 features, but 2 are named"),
        (lambda: onnx_of(linear()), {"task": "regression"}, "own/model cannot be served: .*predictions must have"),
        (lambda: onnx_of(linear()), {"task": "regression", "labels": LABELS}, "a regression has no labels"),
        (lambda: onnx_of(linear()), {"labels": LABELS, "nullable": True}, "own/model cannot be served: .*got nan"),
        (lambda: network([1, 4]), {"labels": LABELS}, "input x takes exactly 1 rows; .*dynamic_axes"),
        (lambda: network([None]), {"labels": LABELS}, r"onnxruntime cannot load|input x has the shape"),
        (lambda: network([None, 4], external=True), {"labels": LABELS}, "keeps its weights in another file"),
        (lambda: b"no model", {"labels": LABELS}, "no ONNX model"),
        (lambda: onnx_of(linear())[:200], {"labels": LABELS}, "no ONNX model|onnxruntime cannot load|no output"),
        (lambda: b"", {"labels": LABELS}, "the file is empty"),
    ],
)
def test_an_onnx_file_that_cannot_be_served_says_why(
    tmp_path: Path, contents: Callable[[], bytes], said: dict[str, Any], words: str
) -> None:
    with pytest.raises(RegistryError, match=words):
        admit(tmp_path, "m.onnx", contents(), **said)


def test_probabilities_that_are_none_are_refused(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(network([None, 4]))
    model.graph.node[1].op_type = "Relu"
    with pytest.raises(RegistryError, match=r"own/model cannot be served: probabilities must"):
        admit(tmp_path, "m.onnx", model.SerializeToString(), labels=LABELS)


@pytest.mark.parametrize("suffix", ["ubj", "json"])
def test_an_xgboost_file_knows_its_names_and_compiles(tmp_path: Path, suffix: str) -> None:
    x, y = iris()
    holes = x.copy()
    holes[::5, 2] = np.nan
    estimator = xgboost.XGBClassifier(n_estimators=10).fit(holes, y)
    estimator.get_booster().feature_names = list(FEATURES)
    estimator.save_model(tmp_path / f"m.{suffix}")
    contents = (tmp_path / f"m.{suffix}").read_bytes()
    said = {"labels": LABELS, "nullable": True, "temperature": 1.5, "check": rows_csv(tmp_path)}
    manifest, files = admit(tmp_path, f"m.{suffix}", contents, **said)
    assert manifest.signature.features == FEATURES
    assert (manifest.runtime, manifest.compilation.agrees, manifest.temperature) == ("onnx", True, 1.5)
    assert files[f"original.{suffix}"] == contents
    model = load_contents(files["model.onnx"], "onnx", manifest.signature)
    assert np.abs(model({"features": holes})["probabilities"] - estimator.predict_proba(holes)).max() < 1e-5


def test_a_bare_booster_is_an_xgboost_file_too(tmp_path: Path) -> None:
    x, y = iris()
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(x, y > 0), 5)
    manifest, _ = admit(tmp_path, "m.ubj", bytes(booster.save_raw("ubj")), labels=("setosa", "other"))
    assert (manifest.runtime, manifest.signature.labels) == ("onnx", ("setosa", "other"))
    booster = xgboost.train({"objective": "reg:squarederror"}, xgboost.DMatrix(x, y), 5)
    manifest, _ = admit(tmp_path, "m.ubj", bytes(booster.save_raw("ubj")))
    assert manifest.signature.task == "regression"


def test_a_booster_that_gives_labels_alone_is_refused(tmp_path: Path) -> None:
    x, y = iris()
    booster = xgboost.train({"objective": "multi:softmax", "num_class": 3}, xgboost.DMatrix(x, y), 2)
    with pytest.raises(RegistryError, match="multi:softmax gives labels alone; train it with multi:softprob"):
        admit(tmp_path, "m.ubj", bytes(booster.save_raw("ubj")), labels=LABELS)


def test_a_skops_file_knows_its_classes_and_compiles_if_it_can(tmp_path: Path) -> None:
    x, y = iris()
    named = np.array(LABELS)[y]
    check = rows_csv(tmp_path)
    compiles = make_pipeline(SimpleImputer(), LogisticRegression(max_iter=1000)).fit(x, named)
    manifest, _ = admit(tmp_path, "m.skops", skops.io.dumps(compiles), nullable=True, check=check)
    assert (manifest.signature.labels, manifest.runtime) == (LABELS, "onnx")
    assert manifest.signature.inputs[0].nullable
    splines = make_pipeline(SplineTransformer(), LogisticRegression(max_iter=1000)).fit(x, named)
    manifest, files = admit(tmp_path, "m.skops", skops.io.dumps(splines), check=check)
    assert (manifest.runtime, list(files)) == ("sklearn", ["model.skops"])
    assert manifest.compilation.reason.startswith("does not convert to ONNX: there is no converter for sklearn.")
    assert manifest.metrics["accuracy"] > 0.9


def test_a_skops_pipeline_takes_strings_where_the_csv_has_them(tmp_path: Path) -> None:
    x, y = iris()
    table = x.astype(object)
    table[:, 3] = np.where(x[:, 3] > 1, "wide", "narrow")
    words = ColumnTransformer([("w", OneHotEncoder(sparse_output=False), [3])], remainder="passthrough")
    estimator = make_pipeline(words, LogisticRegression(max_iter=1000)).fit(table, y)
    check = tmp_path / "rows.csv"
    with check.open("w", newline="") as file:
        csv.writer(file).writerows([FEATURES, *table.tolist()])
    manifest, _ = admit(tmp_path, "m.skops", skops.io.dumps(estimator), labels=LABELS, check=str(check))
    assert [spec.datatype for spec in manifest.signature.inputs] == ["FP32", "FP32", "FP32", "BYTES"]
    assert manifest.runtime == "onnx"
    told = {"labels": LABELS, "features": ("sl", "sw", "pl", "pw:BYTES")}
    with pytest.raises(RegistryError, match=r"unknown categories.*--check rows\.csv"):
        admit(tmp_path, "m.skops", skops.io.dumps(estimator), **told)


def test_a_regression_needs_no_words(tmp_path: Path) -> None:
    x, y = load_diabetes(return_X_y=True)
    estimator = LinearRegression().fit(x, y)
    manifest, _ = admit(tmp_path, "m.skops", skops.io.dumps(estimator))
    assert (manifest.signature.task, manifest.runtime) == ("regression", "onnx")
    contents = to_onnx(estimator, x[:1].astype(np.float32)).SerializeToString()
    manifest, _ = admit(tmp_path, "m.onnx", contents, task="regression")
    assert manifest.signature.task == "regression"
    with pytest.raises(RegistryError, match="LinearRegression is for regression: it has no labels"):
        admit(tmp_path, "m.skops", skops.io.dumps(estimator), labels=("a", "b"))
    with pytest.raises(RegistryError, match="a temperature is for probabilities"):
        admit(tmp_path, "m.skops", skops.io.dumps(estimator), temperature=2.0)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"labels": ("a", "b")}, "has 3 classes, but 2 labels are given"),
        ({"features": ("a", "b")}, "takes 4 features, but 2 are named: a, b"),
        ({"task": "regression"}, "LogisticRegression is for classification, not for regression"),
        ({"nullable": True}, "own/model cannot be served: .*NaN"),
    ],
)
def test_what_is_said_of_a_skops_file_must_fit_it(tmp_path: Path, said: dict[str, Any], words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        admit(tmp_path, "m.skops", skops.io.dumps(linear()), **said)


def test_a_skops_file_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="holds dict, which neither predicts nor transforms"):
        admit(tmp_path, "m.skops", skops.io.dumps({"a": 1}))


def test_a_pickle_is_refused_by_suffix_and_by_content(tmp_path: Path) -> None:
    contents = pickle.dumps(linear())
    for file in ("m.pkl", "m.joblib", "m.PICKLE", "m.onnx", "m.skops", "m.ubj"):
        with pytest.raises(RegistryError, match=r"a pickle can run anything.*skops\.io\.dump"):
            admit(tmp_path, file, contents)
    joblib.dump(linear(), tmp_path / "compressed.joblib", compress=3)
    with pytest.raises(RegistryError, match="a pickle can run anything"):
        admit(tmp_path, "m.joblib", (tmp_path / "compressed.joblib").read_bytes())


@pytest.mark.parametrize(
    ("file", "words"),
    [("m.pt", "export the network to ONNX"), ("m.txt", "expected a file that ends in .onnx"), ("m", "ends in .onnx")],
)
def test_other_files_are_refused_with_what_to_do(tmp_path: Path, file: str, words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        admit(tmp_path, file, b"PK")


def test_an_application_survives_json() -> None:
    application = Application(name="a", file="b", labels=("x", "y"), check="c", temperature=1.0)
    assert msgspec.json.decode(msgspec.json.encode(application), type=Application) == application
    assert json.loads(msgspec.json.encode(application))["labels"] == ["x", "y"]
