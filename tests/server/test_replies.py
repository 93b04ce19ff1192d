"""What fronts reply is what is waited for, or why it will not come."""

from server.process import Process
from server.replies import Replies


def front() -> Process:
    return Process("front", (), on_change=lambda process: None)


async def test_a_reply_is_that_of_its_front_word_and_number() -> None:
    replies, one, other = Replies(), front(), front()
    waiting = replies.expect(one, "composed", 2)
    for message in ({"composed": 3}, {"swapped": 2}):
        assert replies.hear(one, message)
    assert replies.hear(other, {"composed": 2})
    assert not waiting.done()
    assert replies.hear(one, {"composed": 2})
    assert waiting.result() == ""


async def test_who_refuses_says_why() -> None:
    replies, one = Replies(), front()
    composed, released = replies.expect(one, "composed", 2), replies.expect(one, "released", 1)
    assert replies.hear(one, {"refused": 2, "why": "no such model"})
    assert composed.result() == "no such model"
    assert not released.done()


async def test_who_is_gone_says_nothing_more() -> None:
    replies, one, other = Replies(), front(), front()
    lost, kept = replies.expect(one, "released", 1), replies.expect(other, "released", 1)
    replies.lost(one)
    assert lost.result() == "it ended meanwhile"
    assert not kept.done()


async def test_what_is_no_reply_is_for_others() -> None:
    assert not Replies().hear(front(), {"switch": "a", "enabled": False, "asked": "x"})
