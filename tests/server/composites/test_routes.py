"""Switches and splits as they are composed, and where requests are asked as one."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from aggregator.ensemble import Ensemble, Terms
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from backends.batching import Batching
from backends.served import Served
from models.deadline import Deadline, deadline_after
from models.errors import InvalidRequest
from models.types import PROBABILITIES, Array, InferRequest, InferResponse, Scalar, TensorSpec
from server.composites import kind_of
from server.composites.kind import CompositeSettings, Context
from server.composites.split import SplitSettings
from server.composites.switch import CaseSettings, SwitchSettings
from tests.fakes import Fake, now, ones, serve, sure

Case = tuple[str, str]


class Sure:
    """Is sure of one label, and counts the rows that it is asked about."""

    def __init__(self, label: int) -> None:
        self.label = label
        self.rows = 0

    async def __call__(self, request: InferRequest, _deadline: Deadline) -> InferResponse:
        self.rows += request.rows
        return InferResponse({PROBABILITIES: sure(self.label, request.rows)}, request.id)


def made(settings: CompositeSettings, *parts: Served) -> Served:
    kind = kind_of(settings)
    result = kind.make("the-name", settings, {part.name: part for part in parts}, Context())
    return replace(serve("the-name", result.backend, result.signature), extra=result.extra)


def switch(*cases: Case, parameters: tuple[str, ...] = (), features: tuple[str, ...] = ()) -> Served:
    settings = SwitchSettings(
        cases=tuple(CaseSettings(when=when, use=use) for when, use in cases),
        otherwise="a",
        parameters=parameters,
        features=features,
    )
    return made(settings, *(serve(name, Sure(label)) for name, label in (("b", 1), ("a", 0))))


def request(*rows: tuple[float, float], extra: Mapping[str, Scalar] | None = None, **more: Array) -> InferRequest:
    return InferRequest({"features": np.array(rows, np.float32), **more}, "the-id", extra=extra or {})


async def said(served: Served, asked: InferRequest) -> list[int]:
    """The label of each row."""
    response = await served.backend(asked, deadline_after(1))
    labels: list[int] = response.outputs[PROBABILITIES].argmax(axis=1).tolist()
    return labels


async def test_the_first_condition_that_holds_decides_row_by_row() -> None:
    one = switch(("inputs.a > `2`", "a"), ("inputs.b > `1`", "b"))
    assert await said(one, request((3, 2), (1, 2), (1, 1))) == [0, 1, 0]


async def test_what_is_said_beside_the_rows_decides_for_all() -> None:
    one = switch(("parameters.region == 'eu'", "b"), parameters=("region",))
    assert await said(one, request((1, 1), (2, 2), extra={"region": "eu"})) == [1, 1]
    assert await said(one, request((1, 1), (2, 2), extra={"region": "us"})) == [0, 0]
    assert await said(one, request((1, 1))) == [0]


async def test_features_that_no_branch_takes_may_decide() -> None:
    one = switch(("inputs.country == 'fr'", "b"), features=("country:BYTES",))
    country = TensorSpec("country", "BYTES", (-1, 1), ("country",))
    assert one.signature.inputs[1:] == (country,)
    asked = request((1, 1), (1, 1), country=np.array([["fr"], ["de"]], object))
    assert await said(one, asked) == [1, 0]


async def test_a_missing_value_is_null() -> None:
    one = switch(("inputs.age == `null`", "b"), features=("age",))
    asked = request((1, 1), (1, 1), age=np.array([[np.nan], [18]], np.float32))
    assert await said(one, asked) == [1, 0]


async def test_many_rows_leave_the_event_loop_to_others_in_between() -> None:
    one = switch(("inputs.a > `2`", "b"))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    assert await said(one, request(*[(1, 1)] * 1000)) == [0] * 1000
    task.cancel()
    assert turns >= 10


async def test_a_condition_that_cannot_be_decided_is_the_callers_fault() -> None:
    one = switch(("starts_with(parameters.region, 'e')", "b"), parameters=("region",))
    with pytest.raises(InvalidRequest, match="cannot be decided"):
        await said(one, request((1, 1)))


async def test_of_a_hundred_thousand_each_side_gets_its_share_and_each_key_its_side() -> None:
    stable, canary = Sure(0), Sure(1)
    parts = serve("stable", stable), serve("canary", canary)
    settings = SplitSettings(shares={"stable": 0.95, "canary": 0.05}, key="inputs.user", features=("user:INT64",))
    split = made(settings, *parts)
    users = np.arange(100_000)[:, None]
    asked = InferRequest({"features": np.ones((100_000, 2), np.float32), "user": users})
    sides = await said(split, asked)
    assert (stable.rows, canary.rows) == (100_000 - sum(sides), sum(sides))
    assert canary.rows / 100_000 == pytest.approx(0.05, abs=0.01)
    assert await said(split, asked) == sides
    settings = SplitSettings(shares={"stable": 0.8, "canary": 0.2}, key="inputs.user", features=("user:INT64",))
    grown = await said(made(settings, *parts), asked)
    assert all(new >= old for old, new in zip(sides, grown, strict=True))  # nobody moves back


async def test_a_key_that_is_not_said_is_the_id_of_the_request() -> None:
    settings = SplitSettings(shares={"a": 0.5, "b": 0.5}, key="parameters.user")
    split = made(settings, serve("a", Sure(0)), serve("b", Sure(1)))
    by_user = [await said(split, msgspec.structs.replace(ones(), id=f"r{at}", extra={"user": at})) for at in range(50)]
    assert by_user == [await said(split, msgspec.structs.replace(ones(), extra={"user": str(at)})) for at in range(50)]
    by_id = [await said(split, msgspec.structs.replace(ones(), id=str(at))) for at in range(50)]
    assert by_id == by_user  # the same text is the same key
    assert {(0,), (1,)} == {tuple(one) for one in by_user}


@pytest.mark.parametrize(
    "settings",
    [
        SplitSettings(shares={"a": 0.5, "b": 0.5}),
        SplitSettings(shares={"a": 0.5, "b": 0.5}, key="parameters.user"),
        SwitchSettings(
            cases=(CaseSettings(when="parameters.user > `10` && inputs.a < `5`", use="b"),),
            otherwise="a",
            parameters=("user",),
        ),
        SwitchSettings(
            cases=(CaseSettings(when="parameters.user > `10`", use="b"),), otherwise="a", parameters=("user",)
        ),
    ],
)
async def test_requests_that_are_asked_as_one_are_told_apart(settings: CompositeSettings) -> None:
    routed = made(settings, serve("a", Sure(0)), serve("b", Sure(1)))
    asked = [
        InferRequest({"features": np.full((1 + at % 3, 2), at % 7, np.float32)}, f"r{at}", extra={"user": at})
        for at in range(24)
    ]
    alone = [await said(routed, one) for one in asked]
    signature, members = assemble([routed, serve("slow", Fake([[0.5, 0.5]] * 99, delay=0.5))], {}, ())
    rule, terms = make_rule("soft", "classification", 2), Terms(quorum=1)
    batching = Batching(max_rows=256)
    ensemble = Ensemble(members, signature, rule, terms, reaper=Reaper(), batching=batching, clock=now)
    whole = await asyncio.gather(*(ensemble(one, deadline_after(0.25)) for one in asked))
    together = [response.report.said("the-name") for response in whole]
    assert [scores.argmax(axis=1).tolist() for scores in together if scores is not None] == alone
    shared: list[Any] = [response.report.members for response in whole]
    assert len({id(members) for members in shared}) < len(asked)  # they did share fan-outs
