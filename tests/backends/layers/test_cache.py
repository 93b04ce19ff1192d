import asyncio

import numpy as np
import pytest
from msgspec.structs import replace

from backends.base import Backend
from backends.keep import Keep
from backends.layers.cache import Cache
from backends.question import Question
from backends.statistics import Statistics
from models.deadline import deadline_after
from models.errors import ServerFault
from models.stopwatch import Stopwatch
from models.types import InferRequest, InferResponse, MemberReport, Report
from tests.fakes import Fake, Script, now, ones, settle, sure


class Cached:
    """A cache of 10 s around `inner`."""

    def __init__(self, inner: Backend) -> None:
        self.statistics = Statistics()
        self.layer = Cache(
            inner,
            keep=Keep(entries=10, most=1 << 20, ttl=10),
            question=Question("m", "1"),
            statistics=self.statistics,
            clock=now,
        )

    async def __call__(self, request: InferRequest | None = None) -> InferResponse:
        return await self.layer(request or ones(), deadline_after(5))

    @property
    def counted(self) -> tuple[int, int]:
        return self.statistics.cache_hits, self.statistics.cache_misses


async def test_the_same_question_is_answered_again_with_its_own_id() -> None:
    inner = Fake(sure(1))
    cached = Cached(inner)
    first = await cached()
    second = await cached(replace(ones(), id="another"))
    assert np.array_equal(first.outputs["probabilities"], second.outputs["probabilities"])
    assert (first.id, second.id) == ("the-id", "another")
    assert (len(inner.calls), cached.counted) == (1, (1, 1))


async def test_another_question_is_asked() -> None:
    inner = Fake(sure(1))
    cached = Cached(inner)
    await cached()
    await cached(InferRequest({"features": np.zeros((1, 2), np.float32)}))
    assert (len(inner.calls), cached.counted) == (2, (0, 2))


async def test_an_answer_grows_too_old() -> None:
    inner = Fake(sure(1))
    cached = Cached(inner)
    await cached()
    await asyncio.sleep(9.9)
    await cached()
    assert len(inner.calls) == 1
    await asyncio.sleep(0.1)
    await cached()
    assert len(inner.calls) == 2


async def test_an_error_is_not_kept() -> None:
    inner = Script((0, lambda: ServerFault("500")), (0, sure(1)))
    cached = Cached(inner)
    with pytest.raises(ServerFault):
        await cached()
    assert await cached()
    assert len(inner.begun) == 2


@pytest.mark.parametrize(
    "report",
    [
        Report(degraded=True),
        Report(status="decided"),
        Report(status="partial", degraded=True),
        Report(status="fallback", degraded=True),
        Report(members={"a": MemberReport("ok", 1.0, "1")}),
    ],
)
async def test_what_is_no_whole_answer_is_not_kept(report: Report) -> None:
    inner = Fake(sure(1))
    inner.report = report
    cached = Cached(inner)
    assert (await cached()).report is report
    assert (await cached()).report is report
    assert len(inner.calls) == 2


async def test_what_is_kept_cannot_be_changed_by_who_got_it() -> None:
    cached = Cached(Fake(sure(1)))
    (await cached()).outputs["probabilities"][0] = 9
    kept = await cached()
    assert kept.outputs["probabilities"].tolist() == [[0, 1]]
    with pytest.raises(ValueError, match="read-only"):
        kept.outputs["probabilities"][0] = 9


async def test_a_cancelled_call_leaves_nothing() -> None:
    inner = Fake(sure(1), delay=1)
    cached = Cached(inner)
    task = asyncio.create_task(cached())
    await settle()
    task.cancel()
    await settle()
    assert task.cancelled()
    await cached()
    assert len(inner.calls) == 2


async def test_a_look_at_one_call_is_not_answered_from_here() -> None:
    inner = Fake(sure(1))
    cached = Cached(inner)
    await cached()
    await cached(replace(ones(), stopwatch=Stopwatch()))
    assert (len(inner.calls), cached.counted) == (2, (0, 1))
