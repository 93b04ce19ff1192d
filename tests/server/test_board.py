"""Who has more than the others lets them accept."""

from pathlib import Path

from server.board import Board, make_board


def boards(folder: Path, fronts: int) -> list[Board]:
    make_board(folder / "board", fronts)
    return [Board(folder / "board", index) for index in range(fronts)]


def test_who_has_more_than_the_others_has_too_many(tmp_path: Path) -> None:
    one, other = boards(tmp_path, 2)
    one.write(3)
    other.write(3)
    assert not one.has_too_many(3)
    assert one.has_too_many(4)
    assert not other.has_too_many(3)
    assert other.has_too_many(5)
    assert not one.has_too_many(4)


def test_who_is_away_is_not_waited_for(tmp_path: Path) -> None:
    one, other = boards(tmp_path, 2)
    assert not one.has_too_many(100)
    other.write(0)
    assert one.has_too_many(100)
    one.erase(1)
    assert not one.has_too_many(100)


def test_connections_spread_evenly_over_many(tmp_path: Path) -> None:
    many = boards(tmp_path, 5)
    counts = [0] * 5
    for board in many:
        board.write(0)
    for _ in range(100):  # the first is always the fastest
        index = next(at for at, board in enumerate(many) if not board.has_too_many(counts[at]))
        counts[index] += 1
        many[index].write(counts[index])
    assert counts == [20] * 5
