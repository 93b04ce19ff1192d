"""What a server of the Open Inference Protocol says of a model, and whether that is the one that was meant."""

from collections.abc import Sequence

import msgspec

from backends.oip import Remote
from models.types import TensorSpec

MAX_METADATA_BYTES = 1 << 20
MAX_SHOWN = 300  # characters of a misfit, whose names are not ours


class WireTensor(msgspec.Struct):
    """What is needed of a tensor; some servers say nothing of its shape."""

    name: str
    datatype: str = ""
    shape: list[int] = []


class WireMetadata(msgspec.Struct):
    """What is needed of the metadata. MLServer knows no tensors, unless its configuration lists them."""

    inputs: list[WireTensor]
    outputs: list[WireTensor]


class Semantics(msgspec.Struct, frozen=True):
    """What another Chorus says of a model, beyond the protocol: the order of columns."""

    labels: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


class _Described(msgspec.Struct):
    parameters: Semantics = Semantics()


class Metadata(msgspec.Struct, frozen=True):
    """All that is read of a model."""

    inputs: tuple[WireTensor, ...]
    outputs: tuple[WireTensor, ...]
    semantics: Semantics = Semantics()


def read_metadata(body: bytes) -> Metadata:
    """The metadata in `body`.

    Raises:
        ValueError: it is none.
    """
    try:
        wire = msgspec.json.decode(body, type=WireMetadata)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("not the metadata of the Open Inference Protocol v2") from error
    return Metadata(tuple(wire.inputs), tuple(wire.outputs), _semantics(body))


def _semantics(body: bytes) -> Semantics:
    try:
        return msgspec.json.decode(body, type=_Described).parameters
    except msgspec.ValidationError:  # another server's parameters mean something else
        return Semantics()


def misfit_of(metadata: Metadata, remote: Remote) -> str:
    """What does not fit, in a few words; empty if all does. What a server does not say, it is not held to."""
    there = {tensor.name: tensor for tensor in metadata.inputs}
    for spec in remote.inputs if there else ():
        if misfit := _misfit_of_input(spec, there):
            return misfit
    outputs = {tensor.name for tensor in metadata.outputs}
    missing = [name for name in remote.asked if name not in outputs]
    if outputs and missing:
        return f"it has no output {missing[0]!r}, but {sorted(outputs)}"
    return _misfit_of_semantics(metadata.semantics, remote)


def _misfit_of_input(spec: TensorSpec, inputs: dict[str, WireTensor]) -> str:
    there = inputs.get(spec.name)
    if there is None:
        return f"it has no input {spec.name!r}, but {sorted(inputs)}"
    if there.datatype != spec.datatype:
        return f"its input {spec.name!r} is {there.datatype!r}, not {spec.datatype}"
    if there.shape and there.shape[-1] not in (-1, spec.shape[-1]):
        return f"its input {spec.name!r} takes {there.shape[-1]} features, not {spec.shape[-1]}"
    return ""


def _misfit_of_semantics(said: Semantics, remote: Remote) -> str:
    """Labels may come in any order, for they are put into ours by name; features go out as they are configured."""
    labels, features = remote.signature.labels, remote.signature.features
    if said.labels and sorted(said.labels) != sorted(labels):
        return f"its labels are {list(said.labels)}, not {list(labels)}"
    if said.features and len(remote.inputs) == 1 and said.features != features:
        return f"its features are, in order, {list(said.features)}"
    return ""


def order_of(metadata: Metadata, remote: Remote) -> Sequence[int] | None:
    """Which of its columns is each of our labels; None if they are the same, or if it says nothing of them."""
    theirs, ours = metadata.semantics.labels, remote.signature.labels
    if remote.names_labels or theirs in ((), ours):
        return None
    return [theirs.index(label) for label in ours]
