from benchmarks.progress import Left, Progress, words


def test_what_is_left_follows_the_pace_so_far() -> None:
    left = Left(100)
    assert left.seconds(0) == 100
    left.done(25)
    assert left.seconds(elapsed=50) == 150


def test_what_takes_longer_than_expected_leaves_no_less_than_nothing() -> None:
    left = Left(100)
    left.done(150)
    assert left.seconds(400) == 0


def test_each_step_says_what_was_done_and_what_is_left() -> None:
    lines: list[str] = []
    now = [0.0]
    progress = Progress(200, lines.append, clock=lambda: now[0])
    progress.begin("first", 0)
    now[0] = 50
    progress.step(50, "hello at 64: 9/s")
    progress.begin("second", 100)  # the first has failed
    now[0] = 100
    progress.step(50, "again")
    assert lines == ["first          hello at 64: 9/s  (2 min 30 s left)", "second         again  (33 s left)"]


def test_durations_are_said_as_people_do() -> None:
    assert [words(seconds) for seconds in (0.4, 59, 61, 5400)] == ["0 s", "59 s", "1 min 01 s", "1.5 h"]
