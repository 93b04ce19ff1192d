"""`[chains.NAME]`: backends that are asked one after the other; what one says the next ones are given by name."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from backends.served import Served
from models.types import Signature
from server.composites.kind import CompositeSettings, Context, Fault, Kind, Made, Misfit, Part, repeated
from server.key import Key
from server.tables import unknown
from server.values import Text


class ChainSettings(CompositeSettings, frozen=True, kw_only=True, tag="chain"):
    """`[chains.NAME]`. `map`: by step, for tensors or features that it takes, the names that they are taken from."""

    steps: tuple[Text, ...]
    map: dict[str, dict[str, Text]] = {}


def _parts(settings: ChainSettings) -> Iterator[Part]:
    return (("steps", step) for step in settings.steps)


def _mistakes(settings: ChainSettings) -> Iterator[Fault]:
    if not settings.steps:
        yield "steps", "expected at least one"
    yield from repeated("steps", settings.steps)
    for step in settings.map:
        if step not in settings.steps:
            yield "map", unknown("step", step, settings.steps)


def _make(name: str, settings: ChainSettings, parts: Mapping[str, Served], context: Context) -> Made:
    # here and not above, because workers read settings, too, and need none of this
    from backends.chain import Chain, Step
    from backends.feeding import examples_of
    from backends.wiring import Miswired, wired

    asked = [parts[step] for step in dict.fromkeys(settings.steps)]
    try:
        wiring = wired(asked, settings.map)
    except Miswired as error:
        raise Misfit((error.key, str(error))) from error
    last = asked[-1].signature
    takes = [one.takes for one in asked if one.takes]
    about = MappingProxyType({"steps": settings.steps})
    return Made(
        backend=Chain([Step(*step) for step in zip(asked, wiring.feeds, wiring.used, strict=True)]),
        signature=Signature(last.task, wiring.inputs, last.outputs, last.labels),
        answerable=lambda ready: all(map(ready, asked)),
        takes=takes[-1] if takes else frozenset(),
        batched=all(one.batched for one in asked),
        examples=examples_of(wiring.inputs, [(one.signature.inputs, one.examples) for one in asked]),
        about=lambda: about,
    )


KIND = Kind(
    settings=ChainSettings,
    table="chains",
    about="Backends that are asked one after the other; what one says the next ones are given by name.",
    keys={
        "steps": Key("the backends and compositions that are asked, in this order", ["prepare", "vote"]),
        "map": Key("where names do not fit: for each step what it takes, and from what", {"vote": {"x": "prepare.y"}}),
    },
    parts=_parts,
    make=_make,
    mistakes=_mistakes,
)
