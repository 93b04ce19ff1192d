"""`[switches.NAME]`: one of several backends, by a condition on the row or on what the request says beside it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from backends.served import Served
from models.types import Signature
from server.composites.kind import CompositeSettings, Context, Fault, Kind, Made, Misfit, Part
from server.composites.routes import (
    Place,
    aligned_parts,
    any_of,
    examples_among,
    longest_of,
    own_mistakes,
    places_of,
)
from server.key import Key
from server.tables import unknown
from server.values import Text

if TYPE_CHECKING:
    from server.composites.conditions import Condition


class CaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the `cases`: if `when` holds, `use` is asked."""

    when: Text
    use: Text


class SwitchSettings(CompositeSettings, frozen=True, kw_only=True, tag="switch"):
    """`[switches.NAME]`. `parameters`: what a request may say for the conditions; `features`: what no branch takes."""

    cases: tuple[CaseSettings, ...]
    otherwise: Text
    parameters: tuple[Text, ...] = ()
    features: tuple[Text, ...] = ()


def _parts(settings: SwitchSettings) -> Iterator[Part]:
    yield from ((f"cases[{at}].use", case.use) for at, case in enumerate(settings.cases))
    yield "otherwise", settings.otherwise


def _mistakes(settings: SwitchSettings) -> Iterator[Fault]:
    from server.composites.conditions import condition  # which needs JMESPath, and workers read settings, too

    if not settings.cases:
        yield "cases", "expected at least one, { when = ..., use = ... }"
    yield from own_mistakes(settings.parameters, settings.features)
    for at, case in enumerate(settings.cases):
        try:
            read = condition(case.when)
        except ValueError as error:
            yield f"cases[{at}].when", str(error)
            continue
        for name in read.of("parameters"):
            if name not in settings.parameters:
                yield f"cases[{at}].when", f"{unknown('parameter', name, settings.parameters)}; list it in parameters"


def _make(name: str, settings: SwitchSettings, parts: Mapping[str, Served], context: Context) -> Made:
    from backends.routing import Branch, Routing
    from server.composites.conditions import Cases, condition

    asked = list(parts.values())
    signature, each = aligned_parts(asked, settings.features, "cases")
    by_name = {one.served.name: one for one in each}
    conditions = [condition(case.when) for case in settings.cases]
    places = _places(settings, conditions, signature)
    branches = [Branch(by_name[case.use], {"when": case.when}) for case in settings.cases]
    branches.append(Branch(by_name[settings.otherwise], {"when": "otherwise"}))
    shown = {
        "cases": [{"when": case.when, "use": case.use} for case in settings.cases],
        "otherwise": settings.otherwise,
    }
    return Made(
        backend=Routing(branches, Cases(conditions, places), word="branch", let_go=context.let_go),
        signature=signature,
        timeout=longest_of(asked),
        answerable=any_of(asked),
        takes=frozenset().union(*(one.takes for one in asked)),
        extra=frozenset(settings.parameters),
        examples=examples_among(signature, asked),
        about=lambda: shown,
    )


def _places(settings: SwitchSettings, conditions: "list[Condition]", signature: Signature) -> dict[str, Place]:
    faults: list[Fault] = []
    places: dict[str, Place] = {}
    for at, one in enumerate(conditions):
        try:
            places |= places_of(signature, one.of("inputs"))
        except ValueError as error:
            faults.append((f"cases[{at}].when", f"{error}; list it in features if no branch takes it"))
    if faults:
        raise Misfit(*faults)
    return places


KIND = Kind(
    settings=SwitchSettings,
    table="switches",
    about="One of several backends, by conditions on the row and on what the request says beside it.",
    keys={
        "cases": Key(
            "in order: if the condition (JMESPath) holds, that backend is asked",
            [{"when": "inputs.age < `18`", "use": "young"}],
        ),
        "otherwise": Key("who is asked if no condition holds", "vote"),
        "parameters": Key("what requests may say for the conditions, as parameters.region", ["region"]),
        "features": Key("what conditions look at and no branch takes, as inputs.country", ["country:BYTES"]),
    },
    parts=_parts,
    make=_make,
    mistakes=_mistakes,
)
