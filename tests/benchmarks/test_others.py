from benchmarks.others import Others


class Machine:
    """`now`, and the processor seconds that were used until then."""

    def __init__(self) -> None:
        self.now, self.everyone, self.us = 100.0, 1000.0, 50.0

    def watched(self) -> Others:
        return Others(lambda: self.everyone, lambda: self.us, lambda: self.now)

    def pass_by(self, seconds: float, *, ours: float, others: float) -> None:
        self.now += seconds
        self.us += ours
        self.everyone += ours + others


def test_what_others_do_is_what_we_do_not() -> None:
    machine = Machine()
    others = machine.watched()
    machine.pass_by(10, ours=15, others=5)
    assert others.cores() == 0.5
    assert "0.50 cores" in str(others)
    assert "times are not worth much" in str(others)


def test_a_quiet_machine_is_said_to_be_one() -> None:
    machine = Machine()
    others = machine.watched()
    assert others.cores() == 0
    machine.pass_by(10, ours=20, others=0.9)
    assert str(others) == "Others on this machine kept 0.09 cores busy meanwhile."


def test_ticks_that_were_counted_twice_are_no_negative_work() -> None:
    machine = Machine()
    others = machine.watched()
    machine.pass_by(10, ours=20, others=-0.01)
    assert others.cores() == 0
