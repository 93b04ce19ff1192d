import io

from rich.console import Console

from server.bench.ramp import Step
from server.bench.report import RampReport
from server.bench.series import Second
from server.commands.bench.progress import line_of
from server.commands.bench.tables import print_report
from tests.server.bench.test_page import EVIL, report


def printed(**given: object) -> str:
    out = io.StringIO()
    print_report(Console(file=out, width=200, highlight=False), report(**given))  # type: ignore[arg-type]
    return out.getvalue()


def test_a_report_says_what_was_asked_and_what_came_of_it() -> None:
    lines = printed().splitlines()
    assert "cancer at http://cancer: open loop, 100/s for 10 s, 1 row a request, 3 of cancer, v1" in lines
    assert "1,000 requests: 990 answered (99 %), 99/s; refused 6 (status 503 6); failed 4 (reset 4)" in lines
    assert "990 cancer (100 %)" in lines
    cells = [line.split() for line in lines]
    assert ["answers", "2", "5", "20", "40", "45"] in cells
    assert ["cancer", "90", "late:", "cancer", "10", "1", "4", "70", "1.5", "40", "%", "████████"] in cells
    assert "warning: late cancer" in lines
    assert lines[-1] == "missed: p99 20 ms, over 10 ms (objective: p99 within 10 ms, at least 99.9 % answered)"


def test_a_ramp_says_what_held() -> None:
    steps = [Step(50, True, [], 3.0, 1.0, None)]
    done = RampReport(held=50, finished=True, steps=steps, doubt=None)
    assert "the highest rate that held: 50/s; what follows is of that rate" in printed(ramp=done)
    begun = RampReport(held=0, finished=False, steps=[], doubt=None)
    assert "no rate held so far; what follows is of the last one" in printed(ramp=begun)


def test_names_are_no_markup() -> None:
    assert EVIL in printed(name=EVIL)
    assert "[bold]x" in printed(name="[bold]x")


def test_a_second_is_a_line() -> None:
    assert (
        line_of(Second(2, 100, 99, 0, 0, 4.25, 9.5), 10)
        == "   3/10 s  sent 100     answered 99      p50 4.25    p99 9.5 ms"
    )
    bad = line_of(Second(0, 100, 0, 60, 40, None, None), 10)
    assert "refused 60" in bad
    assert "failed 40" in bad
