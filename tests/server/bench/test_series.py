from server.bench.series import Second, Series


def test_each_second_holds_what_happened_in_it() -> None:
    series = Series()
    for number in range(100):
        series.offered(number / 100)
        series.answered(number / 100 + 0.005, (number + 1) / 1e3)
    series.refused(1.5)
    series.failed(1.75)
    series.finish()
    assert series.seconds == [Second(0, 100, 100, 0, 0, 50, 99), Second(1, 0, 0, 1, 1, None, None)]


def test_a_second_in_which_nothing_happened_is_there_too() -> None:
    series = Series()
    series.offered(0.5)
    series.answered(3.0, 2.5)
    assert [second.offered for second in series.seconds] == [1, 0, 0]
    series.finish()
    assert [second.answered for second in series.seconds] == [0, 0, 0, 1]
    assert series.seconds[3].p50_ms == series.seconds[3].p99_ms == 2500


def test_of_nothing_there_are_no_seconds() -> None:
    series = Series()
    series.finish()
    assert series.seconds == []
