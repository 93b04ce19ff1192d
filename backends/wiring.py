"""How the steps of a chain are fed: by name, from what the steps before it have said, else from the request.

What has been said stays there by its name, of two the later; `step.name` is what that step said, `inputs.name` what the
request has. Tensors whose columns have names are fed column by column, others as a whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from backends.feeding import pick, union_of
from backends.served import Served
from models.names import no_such
from models.types import DTYPES, Array, TensorSpec

REQUEST = ""
INPUTS = "inputs."

Place = tuple[str, str]
"""Who said it, `REQUEST` if it came with the request, and the name of the tensor."""
Seen = Mapping[Place, Array]
"""All tensors that are there, (n, ...) with two axes at least."""
Feed = Callable[[Seen], dict[str, Array]]


class Miswired(ValueError):
    """A step cannot be fed; `key` is that of the chain which is to be changed."""

    def __init__(self, text: str, key: str = "steps") -> None:
        super().__init__(text)
        self.key = key


@dataclass(frozen=True, slots=True)
class Wiring:
    """The inputs of a chain; for each of its steps how it is fed, and which of its outputs others are fed with."""

    inputs: tuple[TensorSpec, ...]
    feeds: tuple[Feed, ...]
    used: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor that `step` gives, or one of its columns; of the request, what it must have."""

    step: str
    spec: TensorSpec
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """An input of a step, and where it comes from: a source for each feature, or one for the whole."""

    spec: TensorSpec
    sources: tuple[Source, ...]


def wired(steps: Sequence[Served], given: Mapping[str, Mapping[str, str]]) -> Wiring:
    """Feed `steps`. `given`: by step, for tensors or features that it takes, the names that they are taken from.

    Raises:
        Miswired: a step cannot be fed, or nobody uses what one gives.
    """
    said = _Said()
    wires: list[list[Wire]] = []
    for step in steps:
        named = given.get(step.name, {})
        _check_named(step, named)
        wires.append([_wire(step.name, spec, named, said) for spec in step.signature.inputs])
        said.add(step)
    used = _used(steps, wires)
    inputs = _inputs_of(steps, wires)
    return Wiring(inputs, tuple(_feed(own, inputs) for own in wires), used)


def two_axes(array: Array) -> Array:
    """(n,) as (n, 1)."""
    return array[:, None] if array.ndim == 1 else array


@dataclass(slots=True)
class _Said:
    """What the steps so far have said, by name and by step and name."""

    tensors: dict[str, Source] = field(default_factory=dict)
    columns: dict[str, Source] = field(default_factory=dict)

    def add(self, step: Served) -> None:
        for spec in step.signature.outputs:
            features = spec.features or ((spec.name,) if len(spec.shape) == 1 else ())
            for name in (spec.name, f"{step.name}.{spec.name}"):
                self.tensors[name] = Source(step.name, spec)
            for at, feature in enumerate(features):
                for name in (feature, f"{step.name}.{feature}"):
                    self.columns[name] = Source(step.name, spec, at)


def _wire(step: str, spec: TensorSpec, named: Mapping[str, str], said: _Said) -> Wire:
    """The wire to the input `spec` of `step`; `named` are the names that were given."""
    name = named.get(spec.name, "") if spec.features != (spec.name,) else ""
    if name and not (name.startswith(INPUTS) and spec.features):
        return Wire(spec, (_named_whole(step, spec, name, said),))
    columns = [None if name else _column(step, spec, feature, named, said) for feature in spec.features]
    if not (name or any(columns)) and (whole := _same_name(step, spec, said)) is not None:
        return Wire(spec, (whole,))
    if not spec.features:
        return Wire(spec, (Source(REQUEST, spec),))
    sources = [column or _asked(spec, feature) for column, feature in zip(columns, spec.features, strict=True)]
    return Wire(spec, tuple(sources))


def _asked(spec: TensorSpec, feature: str) -> Source:
    """A column of the input `spec` that is the request's `feature`."""
    return Source(REQUEST, replace(spec, shape=(-1, 1), features=(feature,)), 0)


def _column(step: str, spec: TensorSpec, feature: str, named: Mapping[str, str], said: _Said) -> Source | None:
    """Where one column comes from; None: from the request, by its own name."""
    name = named.get(feature, feature)
    if name.startswith(INPUTS) and feature in named:
        return _asked(spec, name.removeprefix(INPUTS))
    source = said.columns.get(name)
    if source is None:
        if feature in named:
            raise Miswired(f"{step}.{feature}: {_nothing(name, said.columns)}", "map")
        return None
    return _fitting(step, spec, feature, source)


def _named_whole(step: str, spec: TensorSpec, name: str, said: _Said) -> Source:
    if name.startswith(INPUTS):
        return Source(REQUEST, replace(spec, name=name.removeprefix(INPUTS)))
    if name not in said.tensors:
        raise Miswired(f"{step}.{spec.name}: {_nothing(name, said.tensors)}", "map")
    source = said.tensors[name]
    if not _same_shape(source.spec, spec):
        raise Miswired(f"{step}.{spec.name} is {_shown(spec)}, but {name} is {_shown(source.spec)}", "map")
    return _fitting(step, spec, spec.name, source)


def _same_name(step: str, spec: TensorSpec, said: _Said) -> Source | None:
    """The latest tensor of the same name, unless its columns have names, too, and are others."""
    source = said.tensors.get(spec.name)
    if source is None or (source.spec.features and spec.features):
        return None
    if not _same_shape(source.spec, spec):
        there = f"{source.step} gives it as {_shown(source.spec)}"
        raise Miswired(f"{step} takes {spec.name} as {_shown(spec)}, {there}: say what it is to take with map")
    return _fitting(step, spec, spec.name, source)


def _fitting(step: str, spec: TensorSpec, name: str, source: Source) -> Source:
    """`source`, if its values are right for `name` of the input `spec`."""
    given = source.spec
    if not _castable(given.datatype, spec.datatype):
        raise Miswired(f"{step} takes {name} as {spec.datatype}, {source.step} gives it as {given.datatype}")
    if given.nullable and not spec.nullable:
        raise Miswired(f"{step} takes no missing values of {name}, {source.step} may give some")
    return source


def _same_shape(one: TensorSpec, other: TensorSpec) -> bool:
    return (one.shape[1:] or (1,)) == (other.shape[1:] or (1,))


def _shown(spec: TensorSpec) -> str:
    return f"{spec.datatype} {list(spec.shape)}"


def _nothing(name: str, there: Mapping[str, Source]) -> str:
    known = [one for one, source in there.items() if one.startswith(f"{source.step}.")]
    return f"{no_such('answer', name, known, 'no step is before it')}, or {INPUTS}NAME for what the request has"


def _castable(one: str, other: str) -> bool:
    """Whether every value of datatype `one` is one of `other`, up to the precision of floats."""
    have, want = DTYPES[one], DTYPES[other]
    if want.kind == "f":
        return have.kind in "iuf"
    if have.kind == "u" and want.kind == "i":
        return have.itemsize < want.itemsize
    return have.kind == want.kind and have.itemsize <= want.itemsize


def _check_named(step: Served, named: Mapping[str, str]) -> None:
    takes = [name for spec in step.signature.inputs for name in (spec.name, *spec.features)]
    for name in named:
        if name not in takes:
            raise Miswired(f"{step.name}: {no_such('input', name, takes)}", "map")


def _used(steps: Sequence[Served], wires: Sequence[Sequence[Wire]]) -> tuple[tuple[str, ...], ...]:
    """The outputs of each step that others take. One that nobody takes has a name that was meant otherwise."""
    taken = [(source.step, source.spec.name) for own in wires for wire in own for source in wire.sources]
    used = tuple(tuple(dict.fromkeys(name for owner, name in taken if owner == step.name)) for step in steps)
    for step, after, own in zip(steps, steps[1:], used, strict=False):
        if not own:
            outputs = step.signature.outputs
            gives = ", ".join(f"{spec.name} {_shown(spec)}" for spec in outputs)
            hint = f'map = {{ {after.name} = {{ {after.signature.inputs[0].name} = "{outputs[-1].name}" }} }}'
            raise Miswired(
                f"no later step takes what {step.name!r} gives, by name: {gives}; say who does, as in {hint}"
            )
    return used


def _inputs_of(steps: Sequence[Served], wires: Sequence[Sequence[Wire]]) -> tuple[TensorSpec, ...]:
    """What the request must have: each feature once, and each tensor whose columns have no names."""
    needs = {step.name: list(_needs(own)) for step, own in zip(steps, wires, strict=True)}
    whole: dict[str, TensorSpec] = {}
    for name, spec in ((name, spec) for name, specs in needs.items() for spec in specs if not spec.features):
        if whole.setdefault(spec.name, spec) != spec:
            raise Miswired(f"{name} takes {spec.name} as {_shown(spec)}, another step as {_shown(whole[spec.name])}")
    featured = {name: [spec for spec in specs if spec.features] for name, specs in needs.items()}
    try:
        columns = union_of({name: specs for name, specs in featured.items() if specs}) if any(featured.values()) else ()
    except ValueError as error:
        raise Miswired(str(error)) from error
    if clash := next((spec.name for spec in columns if spec.name in whole), None):
        raise Miswired(f"the columns of {clash!r} have names in one step and none in another")
    return (*columns, *whole.values())


def _needs(wires: Sequence[Wire]) -> Iterator[TensorSpec]:
    """What one step needs of the request; columns of one input side by side."""
    for wire in wires:
        asked = [source.spec for source in wire.sources if source.step == REQUEST]
        columns = tuple(dict.fromkeys(feature for spec in asked for feature in spec.features))
        if columns:
            yield replace(wire.spec, shape=(-1, len(columns)), features=columns)
        yield from (spec for spec in asked if not spec.features)


def _feed(wires: Sequence[Wire], inputs: Sequence[TensorSpec]) -> Feed:
    places = {feature: ((REQUEST, spec.name), at) for spec in inputs for at, feature in enumerate(spec.features)}

    def place(source: Source) -> tuple[Place, int | None]:
        if source.step == REQUEST and source.spec.features:
            return places[source.spec.features[0]]
        return (source.step, source.spec.name), source.at

    picks = [(wire.spec.name, pick(wire.spec, [place(source) for source in wire.sources])) for wire in wires]
    return lambda seen: {name: take(seen) for name, take in picks}
