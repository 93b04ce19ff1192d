from models.stopwatch import Stopwatch


class Clock:
    """Reads what it is set to."""

    def __init__(self) -> None:
        self.now = 10.0

    def __call__(self) -> float:
        return self.now


def test_the_stages_add_up_to_the_total() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock, began=8.0)
    stopwatch.lap("decode")
    for _ in range(2):
        clock.now += 3
        stopwatch.lap("model")
    assert stopwatch.seconds == {"decode": 2.0, "model": 6.0}
    assert stopwatch.total == 8.0


def test_what_someone_else_spent_is_taken_out_of_the_stage() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock)
    clock.now += 5
    stopwatch.lap("send_receive")
    stopwatch.split("send_receive", {"model": 3.0, "wait": 1.0})
    assert stopwatch.seconds == {"send_receive": 1.0, "model": 3.0, "wait": 1.0}


def test_who_claims_more_than_there_was_is_not_believed() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock)
    clock.now += 5
    stopwatch.lap("send_receive")
    stopwatch.split("send_receive", {"model": 5.5})
    assert stopwatch.seconds == {"send_receive": 5.0}
