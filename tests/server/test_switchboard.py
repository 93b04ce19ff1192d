"""What is switched, counted by turns."""

from typing import Any

import msgspec

from backends.drill import Drill
from server.switchboard import Begin, End, Held, Order, Switch, Switchboard, Word

SLOW, STOP = Held("a", Drill(kind="slow", delay=0.8), 60.0), Held("b", Drill(kind="stop", share=0.5), 70.0)


def word(message: dict[str, Any]) -> Word:
    """What a front hears, after its way through a pipe."""
    return msgspec.json.decode(msgspec.json.encode(message), type=Word)


def test_it_keeps_who_is_disabled_and_counts_the_turns() -> None:
    board = Switchboard()
    assert word(board.message()) == Word([], [], 0)
    board.turn(Switch("b", False, "u"))
    board.turn(Switch("a", False, "v"))
    assert word(board.turn(Switch("b", False, "x"))) == Word(["b", "a"], [], 3, "x")
    board.turn(Switch("b", True, "y"))
    board.turn(Switch("never", True, "z"))
    assert word(board.message()) == Word(["a"], [], 5)


def test_it_keeps_one_drill_a_backend() -> None:
    board = Switchboard()
    board.turn(Begin(Held("a", Drill(kind="garbage"), 1.0)))
    board.turn(Begin(SLOW))
    assert word(board.turn(Begin(STOP, "x"))) == Word([], [SLOW, STOP], 3, "x")
    board.turn(End("never"))
    assert word(board.turn(End("a"))).drills == [STOP]
    board.turn(Begin(SLOW))
    assert word(board.turn(End(None))).drills == []


def test_an_order_travels() -> None:
    orders: list[Order] = [Switch("a", False, "x"), Begin(STOP, "y"), End(None, "z"), End("a", "u")]
    sent = [msgspec.json.encode(msgspec.to_builtins(order)) for order in orders]
    assert [msgspec.convert(msgspec.json.decode(one), Order) for one in sent] == orders
