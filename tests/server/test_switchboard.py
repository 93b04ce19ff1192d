"""What is out of the vote, counted by turns."""

from server.switchboard import Switchboard


def test_it_keeps_who_is_disabled_and_counts_the_turns() -> None:
    board = Switchboard()
    assert board.message() == {"disabled": [], "turn": 0, "asked": ""}
    board.switch("b", enabled=False)
    board.switch("a", enabled=False)
    board.switch("b", enabled=False)
    assert board.message("x") == {"disabled": ["b", "a"], "turn": 3, "asked": "x"}
    board.switch("b", enabled=True)
    board.switch("never", enabled=True)
    assert board.message() == {"disabled": ["a"], "turn": 5, "asked": ""}
