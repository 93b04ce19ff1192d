"""Users' own functions as models."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.errors import InvalidAnswer, ModelFailed, RegistryError
from models.runtimes import Model
from models.runtimes.python import fingerprint, load_python
from models.types import Array, Signature, TensorSpec, classifier, regressor, transformer

INPUTS = (TensorSpec("features", "FP32", (-1, 2), ("a", "b")), TensorSpec("word", "BYTES", (-1, 1), ("word",)))
YES_NO = classifier(INPUTS, ("no", "yes"))
ROWS: dict[str, Array] = {
    "features": np.array([[1, 2], [3, 4]], np.float32),
    "word": np.array([["x"], ["y"]], object),
}

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _path() -> Iterator[None]:
    before = list(sys.path)
    yield
    sys.path[:] = before


def load(folder: Path, code: str, name: str = "predict", signature: Signature = YES_NO) -> Model:
    module = f"own_code_{next(_numbers)}"  # Python imports a module of one name once
    (folder / f"{module}.py").write_text(code)
    return load_python(f"{module}:{name}", folder, signature)


def test_a_function_gets_columns_by_name_and_gives_labels(tmp_path: Path) -> None:
    model = load(
        tmp_path, "def predict(c): return ['yes' if a > 2 and w == 'y' else 'no' for a, w in zip(c['a'], c['word'])]"
    )
    assert model(ROWS)["probabilities"].tolist() == [[1, 0], [0, 1]]


def test_a_function_may_give_probabilities_or_numbers(tmp_path: Path) -> None:
    model = load(tmp_path, "def predict(c): return [[0.25, 0.75]] * len(c['a'])")
    assert model(ROWS)["probabilities"].tolist() == [[0.25, 0.75]] * 2
    model = load(tmp_path, "def predict(c): return c['a'] + c['b']", signature=regressor(INPUTS))
    assert model(ROWS)["predictions"].tolist() == [3, 7]


def test_a_class_is_made_once_and_then_called(tmp_path: Path) -> None:
    code = "class Model:\n def __init__(self): self.made = 1\n def __call__(self, c): return c['a'] * self.made"
    assert load(tmp_path, code, "Model", regressor(INPUTS))(ROWS)["predictions"].tolist() == [1, 3]


def test_what_it_raises_or_says_wrongly_is_a_failed_answer(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed, match="KeyError: 'c'"):
        load(tmp_path, "def predict(c): return c['c']")(ROWS)
    with pytest.raises(ModelFailed, match=r"no label 'yess', did you mean 'yes'\?"):
        load(tmp_path, "def predict(c): return ['yess', 'no']")(ROWS)
    with pytest.raises(InvalidAnswer, match="shape"):
        load(tmp_path, "def predict(c): return [0.5, 0.5]")(ROWS)


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        ("import nothing_of_the_kind", "predict", r"cannot import .* ModuleNotFoundError: No module named 'nothing"),
        ("def predict(", "predict", "SyntaxError"),
        ("raise SystemExit(2)", "predict", "SystemExit: 2"),
        ("def predikt(c): pass", "predict", r"no function 'predict', did you mean 'predikt'\?"),
        ("predict = 3", "predict", "is no function that can be called with columns, but int"),
        ("async def predict(c): pass", "predict", "is no function that can be called with columns, but function"),
        ("class Model:\n def __init__(self): raise OSError('no file')", "Model", "OSError: no file"),
    ],
)
def test_what_cannot_be_imported_says_why_in_one_line(tmp_path: Path, code: str, name: str, words: str) -> None:
    with pytest.raises(RegistryError, match=words) as caught:
        load(tmp_path, code, name)
    assert "\n" not in str(caught.value)


def test_a_name_that_chorus_itself_has_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.py").write_text("def predict(c): return c")
    with pytest.raises(RegistryError, match="Chorus itself has a package of this name"):
        load_python("models.mine:predict", tmp_path, YES_NO)


def test_the_version_changes_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    for path in ("rules.py", "package/__init__.py", "package/rules.py"):
        (tmp_path / path).write_text(f"# {path}")
    versions = {fingerprint(f"{name}:f", tmp_path) for name in ("rules", "package", "package.rules")}
    assert len(versions) == 3
    (tmp_path / "rules.py").write_text("# other")
    assert fingerprint("rules:f", tmp_path) not in versions
    assert fingerprint("json:loads", tmp_path) == "0"


SCALED = transformer(
    INPUTS, (TensorSpec("features", "FP32", (-1, 2), ("a", "b")), TensorSpec("text", "BYTES", (-1, 1)))
)
COLUMNS = transformer(INPUTS, SCALED.outputs[:1])


@pytest.mark.parametrize(
    "said",
    [
        "{'a': c['a'] * 2, 'b': c['b'], 'text': [[w + '!'] for w in c['word']]}",
        "{'text': [[w + '!'] for w in c['word']], 'b': c['b'].tolist(), 'a': [2, 6]}",
    ],
)
def test_a_transform_gives_its_outputs_by_name(tmp_path: Path, said: str) -> None:
    answer = load(tmp_path, f"def predict(c): return {said}", signature=SCALED)(ROWS)
    assert answer["features"].tolist() == [[2, 2], [6, 4]]
    assert answer["features"].dtype == np.float32
    assert answer["text"].tolist() == [["x!"], ["y!"]]


def test_a_transform_may_give_all_columns_as_one_array(tmp_path: Path) -> None:
    code = "import numpy\ndef predict(c): return numpy.stack([c['a'], c['b']], axis=1) * 2"
    assert load(tmp_path, code, signature=COLUMNS)(ROWS)["features"].tolist() == [[2, 4], [6, 8]]
    alone = transformer(INPUTS, (TensorSpec("text", "BYTES", (-1,)),))
    assert load(tmp_path, "def predict(c): return list(c['word'])", signature=alone)(ROWS)["text"].tolist() == [
        "x",
        "y",
    ]


def test_a_transform_may_take_and_give_tensors_without_columns(tmp_path: Path) -> None:
    image = TensorSpec("image", "FP32", (-1, 2, 2))
    both = transformer((image,), (TensorSpec("small", "FP32", (-1, 2)), TensorSpec("sum", "FP64", (-1,))))
    code = "def predict(c): return {'small': c['image'][:, 0], 'sum': c['image'].sum(axis=(1, 2))}"
    answer = load(tmp_path, code, signature=both)({"image": np.ones((3, 2, 2), np.float32)})
    assert (answer["small"].shape, answer["sum"].tolist()) == ((3, 2), [4, 4, 4])


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ("{'a': c['a'], 'bb': c['b']}", ModelFailed, "no output 'b', did you mean 'bb'"),
        ("c['a']", ModelFailed, r"expected a mapping of a, b, or a column for each; got the shape \(2,\)"),
        ("{'a': c['a'], 'b': c['word']}", InvalidAnswer, "features must be FP32, got object"),
        ("{'a': c['a'][:1], 'b': c['b'][:1]}", InvalidAnswer, "features must have 2 rows"),
    ],
)
def test_what_a_transform_cannot_have_meant(tmp_path: Path, said: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        load(tmp_path, f"def predict(c): return {said}", signature=COLUMNS)(ROWS)
