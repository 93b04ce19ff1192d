import msgspec
import pytest

from server.bench.answers import Member, Outcome, Said, read_nothing, read_problem, read_v1, read_v2, read_v2_binary

V1 = {
    "predictions": ["yes"],
    "outcome": {"model": "all", "status": "partial", "degraded": True, "elapsed_ms": 5.1},
    "members": {
        "a": {"fate": "ok", "elapsed_ms": 1.25, "weight": 1.0},
        "b.c": {"fate": "late", "reason": "timeout", "elapsed_ms": None},
    },
}
V2 = {
    "model_name": "all",
    "outputs": [{"name": "predictions", "data": [1]}],
    "parameters": {
        "status": "partial", "degraded": True, "members.a.fate": "ok", "members.a.elapsed_ms": 1.25,
        "members.b.c.fate": "late", "members.b.c.reason": "timeout", "members.b.c.made_up": 1,
    },
}  # fmt: skip
SAID = Said(Outcome("partial", True), {"a": Member("ok", "", 1.25), "b.c": Member("late", "timeout", None)})


def test_every_protocol_says_the_same() -> None:
    assert read_v1(msgspec.json.encode(V1)) == SAID
    assert read_v2(msgspec.json.encode(V2)) == SAID
    assert read_v2_binary(msgspec.json.encode(V2) + b"\x00{]\xff\x80") == SAID


def test_one_model_is_always_complete() -> None:
    assert read_v2(b'{"outputs": []}') == Said(Outcome("complete"))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"outcome": {"status": 1}}', b"\xff\xfe"])
def test_what_is_no_answer_is_an_error(body: bytes) -> None:
    for read in (read_v1, read_v2, read_v2_binary):
        if body.startswith(b'{"outcome"') and read is not read_v1:
            continue
        with pytest.raises(ValueError, match=r"."):
            read(body)


def test_a_problem_is_read_as_far_as_it_goes() -> None:
    assert read_problem(b"<html>") == Said()
    assert read_problem(b"[" * 100_000) == Said()
    assert read_problem(b'{"status": 503, "members": {"a": {"fate": "late"}}}').members == {"a": Member("late")}


def test_other_servers_answers_are_not_looked_at() -> None:
    assert read_nothing(b"<html>") == Said()
