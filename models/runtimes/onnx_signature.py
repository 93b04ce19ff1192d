"""What an ONNX file says of itself: its inputs, and whether it gives probabilities or numbers."""

import math
from collections.abc import Sequence
from typing import Any

from models.errors import RegistryError
from models.runtimes.onnx import read_session
from models.types import Signature, Task, TensorSpec, classifier, regressor, transformer

DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(double)": "FP64",
    "tensor(float)": "FP32",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(string)": "BYTES",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
}
ASK = "say --labels a,b (in the order of its probabilities), --task regression or --task transform"


def signature_of(
    contents: bytes,
    features: Sequence[str],
    labels: Sequence[str],
    task: Task | None,
    *,
    nullable: bool,
    outputs: Sequence[str] = (),
) -> Signature:
    """The signature of the model in `contents`; `features` name its columns, over all inputs in order.

    `outputs`: of a transform, the names of the columns of its outputs in order.

    Raises:
        RegistryError: it is no model, takes or gives what cannot be served, or does not fit what is said of it.
    """
    _check_self_contained(contents)
    session = read_session(contents, threads=1)
    inputs = _inputs(session.get_inputs(), features, nullable)
    if task == "transform":
        if labels:
            raise RegistryError("a transform has no labels")
        return transformer(inputs, _outputs(session.get_outputs(), outputs))
    _check_outputs(session.get_outputs())
    if task not in (None, "classification", "regression"):
        raise RegistryError(f"a model for {task} cannot be added: only for classification, regression or transform")
    if task == "regression":
        if labels:
            raise RegistryError("a regression has no labels")
        return regressor(inputs)
    if len(labels) < 2:
        raise RegistryError(f"an ONNX model does not say what it predicts; {ASK}")
    return classifier(inputs, tuple(labels))


def _check_self_contained(contents: bytes) -> None:
    """Weights in other files would not be registered, and a path could lead anywhere."""
    import onnx

    try:
        model = onnx.load_model_from_string(contents)
    except Exception as error:  # protobuf's own errors have no common root
        raise RegistryError("no ONNX model: the file is damaged, or something else") from error
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise RegistryError("the model keeps its weights in another file; save it as one: onnx.save(model, file)")


def _tensors(graph: Any) -> Any:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _inputs(nodes: Sequence[Any], features: Sequence[str], nullable: bool) -> tuple[TensorSpec, ...]:
    shapes = [_shape(node, len(nodes), features) for node in nodes]
    width = sum(math.prod(shape[1:]) for shape in shapes)
    names = list(features)
    if names and len(names) != width and not all(node.name in names for node in nodes):
        raise RegistryError(f"the model takes {width} features, but {len(names)} are named: {', '.join(names)[:200]}")
    apart = len(nodes) > 1 and width == len(nodes)
    if apart and (len(names) != width or set(names) == {node.name for node in nodes}):
        names = [node.name for node in nodes]  # each input is a column, and has its name
    names = names or [f"f{column}" for column in range(width)]
    specs, start = [], 0
    for node, shape in zip(nodes, shapes, strict=True):
        kind = DATATYPES[node.type]
        stop = start + math.prod(shape[1:])
        own = tuple(names[start:stop]) if len(shape) == 2 else ()
        specs.append(TensorSpec(node.name, kind, shape, own, nullable and kind in ("FP32", "FP64")))
        start = stop
    return tuple(specs)


def _shape(node: Any, count: int, features: Sequence[str]) -> tuple[int, ...]:
    """Rows first, which must be free; all else must be known."""
    if node.type not in DATATYPES:
        raise RegistryError(f"input {node.name} is {node.type}, which cannot be sent")
    shape = list(node.shape)
    if len(shape) < 2:
        raise RegistryError(f"input {node.name} has the shape {shape}; expected rows and columns")
    if isinstance(shape[0], int) and shape[0] > 0:
        raise RegistryError(
            f"input {node.name} takes exactly {shape[0]} rows; export it with a free first axis (dynamic_axes)"
        )
    if len(shape) == 2 and count == 1 and not isinstance(shape[1], int) and features:
        shape[1] = len(features)
    if not all(isinstance(size, int) and size > 0 for size in shape[1:]):
        raise RegistryError(f"input {node.name} has the shape {shape}; name its columns with --features")
    return (-1, *shape[1:])


def _outputs(nodes: Sequence[Any], names: Sequence[str]) -> tuple[TensorSpec, ...]:
    """What a transform gives: all its tensors, with the names of their columns if they are said."""
    specs, left = [], list(names)
    for node in nodes:
        if node.type not in DATATYPES:
            raise RegistryError(f"output {node.name} is {node.type}, which cannot be passed on")
        shape = tuple(size if isinstance(size, int) and size > 0 else -1 for size in node.shape[1:])
        if len(nodes) == 1 and shape == (-1,) and names:
            shape = (len(names),)
        width = shape[0] if len(shape) == 1 else 0
        own, left = tuple(left[: max(0, width)]), left[max(0, width) :]
        specs.append(TensorSpec(node.name, DATATYPES[node.type], (-1, *shape), own if len(own) == width else ()))
    if names and (left or not all(spec.features for spec in specs)):
        raise RegistryError(f"the outputs {_shown(specs)} do not have the {len(names)} columns that are named")
    return tuple(specs)


def _shown(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {list(spec.shape)}" for spec in specs)


def _check_outputs(nodes: Sequence[Any]) -> None:
    for node in nodes:
        if node.type.startswith("seq("):
            raise RegistryError(
                f"output {node.name} is a list of dictionaries; convert it again with "
                "options={id(estimator): {'zipmap': False}}"
            )
    if not any(node.type in ("tensor(float)", "tensor(double)") for node in nodes):
        found = ", ".join(f"{node.name}: {node.type}" for node in nodes)
        raise RegistryError(f"the model has no output of numbers ({found})")
