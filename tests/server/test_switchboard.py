"""What is out of the vote, counted by turns."""

from server.switchboard import Switch, Switchboard


def test_it_keeps_who_is_disabled_and_counts_the_turns() -> None:
    board = Switchboard()
    assert board.message() == {"disabled": [], "turn": 0, "asked": ""}
    board.turn(Switch("b", False, "u"))
    board.turn(Switch("a", False, "v"))
    assert board.turn(Switch("b", False, "x")) == {"disabled": ["b", "a"], "turn": 3, "asked": "x"}
    board.turn(Switch("b", True, "y"))
    board.turn(Switch("never", True, "z"))
    assert board.message() == {"disabled": ["a"], "turn": 5, "asked": ""}
