"""ONNX models, through onnxruntime on the CPU."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

from models.errors import RegistryError
from models.runtimes.base import one_line
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature


class OnnxModel:
    """A session that is asked for the scores alone; `threads` for one call."""

    def __init__(self, contents: bytes, signature: Signature, threads: int) -> None:
        self._session = read_session(contents, threads)
        self._specs = signature.inputs
        self._labels = len(signature.labels)
        if signature.task == "transform":
            self._wanted = _tensors(self._session, [spec.name for spec in signature.outputs])
        else:
            name = PROBABILITIES if signature.task == "classification" else PREDICTIONS
            self._wanted = {name: _scores(self._session, name)}
        self._names = list(self._wanted.values())
        _check_inputs(self._session, signature)

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]:
        feed = {spec.name: np.asarray(inputs[spec.name], spec.dtype) for spec in self._specs}
        said = self._session.run(self._names, feed)
        if self._labels == 2:
            said[0] = _both(said[0])
        return dict(zip(self._wanted, said, strict=True))


def _both(scores: Array) -> Array:
    """The probabilities of two labels: some networks give the second one's alone."""
    if scores.shape[1:] not in ((), (1,)):
        return scores
    return np.stack((1 - scores.reshape(-1), scores.reshape(-1)), axis=1)


def read_session(contents: bytes, threads: int) -> Any:
    """An onnxruntime session of the model in `contents`.

    Raises:
        RegistryError: it is no model that onnxruntime can run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # several models share these cores
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; its warnings are about the converter's style
    try:
        return onnxruntime.InferenceSession(contents, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors have no common root
        raise RegistryError(f"onnxruntime cannot load the model: {one_line(error)}") from error


def _tensors(session: Any, names: list[str]) -> dict[str, str]:
    """A transform's outputs by our names: as the graph calls them; if it has just one, whatever that is called."""
    there = [output.name for output in session.get_outputs()]
    if len(names) == len(there) == 1:
        return {names[0]: there[0]}
    if missing := [name for name in names if name not in there]:
        raise RegistryError(f"the model has no output {missing[0]!r}, but {there}")
    return {name: name for name in names}


def _scores(session: Any, name: str) -> str:
    """The output `name`, else the last one of floats: converters put a classifier's labels, integers, first."""
    floats = [output.name for output in session.get_outputs() if output.type in ("tensor(float)", "tensor(double)")]
    if not floats:
        found = ", ".join(f"{output.name}: {output.type}" for output in session.get_outputs())
        raise RegistryError(f"the model has no output of floats ({found}); convert it with zipmap=False")
    return name if name in floats else str(floats[-1])


def _check_inputs(session: Any, signature: Signature) -> None:
    expected, named = {node.name for node in session.get_inputs()}, {spec.name for spec in signature.inputs}
    if expected != named:
        raise RegistryError(f"the model takes {sorted(expected)}, its signature names {sorted(named)}")
