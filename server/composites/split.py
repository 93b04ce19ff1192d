"""`[splits.NAME]`: one of several backends, each for a share of the requests: the same key always the same one."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from backends.served import Served
from backends.sharing import Shares, text_of
from models.types import InferRequest, Signature, origins_of
from server.composites.kind import CompositeSettings, Context, Fault, Kind, Made, Misfit, Part
from server.composites.routes import (
    Place,
    aligned_parts,
    any_of,
    column,
    examples_among,
    longest_of,
    own_mistakes,
    places_of,
)
from server.key import Key
from server.values import KeyName, Portion, Text

if TYPE_CHECKING:
    from backends.routing import Choice, Choose


class SplitSettings(CompositeSettings, frozen=True, kw_only=True, tag="split"):
    """`[splits.NAME]`. `key` None: the id of the request; `features`: what no side takes, if that is the key."""

    shares: dict[str, Portion]
    key: KeyName | None = None
    features: tuple[Text, ...] = ()


def _parts(settings: SplitSettings) -> Iterator[Part]:
    return (("shares", side) for side in settings.shares)


def _mistakes(settings: SplitSettings) -> Iterator[Fault]:
    if not settings.shares:
        yield "shares", "expected at least one side"
    elif abs((total := sum(settings.shares.values())) - 1) > 1e-9:
        yield "shares", f"must sum to 1, got {total:g}"
    root, name = _key(settings)
    for _, text in own_mistakes([name] if root == "parameters" else [], ()):
        yield "key", text
    yield from own_mistakes((), settings.features)


def _key(settings: SplitSettings) -> tuple[str, str]:
    root, _, name = (settings.key or "").partition(".")
    return root, name


def _make(name: str, settings: SplitSettings, parts: Mapping[str, Served], context: Context) -> Made:
    from backends.routing import Branch, Routing  # not above: workers read settings, too

    asked = list(parts.values())
    signature, each = aligned_parts(asked, settings.features, "shares")
    shares = Shares(list(settings.shares.values()), name)
    root, key = _key(settings)
    shown = {"shares": settings.shares, "key": settings.key or "the id of the request"}
    return Made(
        backend=Routing(
            [Branch(one) for one in each],
            _choice(root, key, shares, signature),
            word="side",
            let_go=context.let_go,
        ),
        signature=signature,
        timeout=longest_of(asked),
        answerable=any_of(asked),
        takes=frozenset().union(*(one.takes for one in asked)),
        extra=frozenset({key} if root == "parameters" else ()),
        examples=examples_among(signature, asked),
        about=lambda: shown,
    )


def _choice(root: str, key: str, shares: Shares, signature: Signature) -> "Choose":
    if root == "inputs":
        try:
            return _by_feature(shares, places_of(signature, [key])[key])
        except ValueError as error:
            raise Misfit(("key", str(error))) from error
    return _by_request(shares, key)


def _by_feature(shares: Shares, place: Place) -> "Choose":
    async def choose(request: InferRequest) -> "Choice":
        return shares.sides([text_of(value) for value in column(request, place)])

    return choose


def _by_request(shares: Shares, parameter: str) -> "Choose":
    async def choose(request: InferRequest) -> "Choice":
        origins = origins_of(request)
        sides = [shares.side(text_of(origin.extra.get(parameter, origin.id))) for origin in origins]
        return sides[0] if len(sides) == 1 else np.repeat(sides, [origin.rows for origin in origins])

    return choose


KIND = Kind(
    settings=SplitSettings,
    table="splits",
    about="One of several backends, each for a share of the requests: a canary.",
    keys={
        "shares": Key("the sides and how much each gets, 1 together", {"stable": 0.95, "canary": 0.05}),
        "key": Key("what always gets the same side; unless given, or not said, the request's id", "parameters.user"),
        "features": Key("what no side takes and the key is, as inputs.customer", ["customer:BYTES"]),
    },
    parts=_parts,
    make=_make,
    mistakes=_mistakes,
)
