"""A report as a page: it holds what it should, loads nothing, and escapes what comes from outside."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

from server.bench.axes import Scale, across, ticks
from server.bench.markup import VOID, element, text
from server.bench.members import MemberSummary
from server.bench.objective import Objective
from server.bench.over_time import MOST_POINTS, latency_plot, rate_plot
from server.bench.page import page
from server.bench.ramp import Step
from server.bench.report import Asked, BenchReport, RampReport
from server.bench.series import Second
from server.bench.summary import Generator, Rate, Summary

EVIL = "</title><script src=//evil.example>alert(1)</script>\"'&"
LEVELS = {"p50": 2.0, "p90": 5.0, "p99": 20.0, "p99.9": 40.0, "max": 45.0}


class Parsed(HTMLParser):
    """The elements of a page, each closed as it was opened, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def second(number: int, *, answered: int = 100, failed: int = 0) -> Second:
    return Second(number, 100, answered, 0, failed, 2.0 if answered else None, 20.0 if answered else None)


def report(*, name: str = "cancer", ramp: RampReport | None = None, empty: bool = False) -> BenchReport:
    members = {} if empty else {name: MemberSummary({"ok": 90, f"late: {name}": 10}, 1.0, 4.0, 70, 1.5, 0.4)}
    members |= (
        {} if empty else {f"m{number}": MemberSummary({"ok": 100}, 1.0, 2.0, 3, 0.5, 0.02) for number in range(9)}
    )
    result = Summary(
        seconds=10, offered=1000, answered=0 if empty else 990, refused=6, failed=4, interrupted=0,
        rate=Rate(100, 99), share=0.0 if empty else 0.99, degraded_share=0.1, latency_ms={} if empty else LEVELS,
        refused_ms={}, statuses={"200": 990, "503": 6}, errors={"reset": 4}, outcomes={} if empty else {name: 990},
        members=members, series=[] if empty else [second(number) for number in range(10)],
        percentiles=[] if empty else [(0.0, 1.0), (50.0, 2.0), (90.0, 5.0), (99.0, 20.0), (99.9, 40.0), (100.0, 45.0)],
        generator=Generator({} if empty else LEVELS, 0.2, 55.0, f"late {name}"),
    )  # fmt: skip
    asked = Asked(
        url=f"http://{name}", model=name, protocol="v1", loop="ramp" if ramp else "open loop", rate=100,
        connections=1000, seconds=10, rows=3, rows_source=name, rows_per_request=1, timeout_ms=None, parameters={},
    )  # fmt: skip
    return BenchReport(
        version="1", began="2026-01-01", asked=asked, objective=Objective(p99_ms=10, share=0.999),
        missed=["p99 20 ms, over 10 ms"], interrupted=False, ramp=ramp, result=result,
    )  # fmt: skip


STEPS = [
    Step(50, True, [], 3.0, 1.0, None),
    Step(100, False, ["p99 500 ms"], 500.0, 1.0, None),
    Step(75, False, ["no answer"], None, 0, None),
]
RAMP = RampReport(held=50, finished=True, steps=STEPS, doubt=None)


@pytest.mark.parametrize("ramp", [None, RAMP])
@pytest.mark.parametrize("name", ["cancer", EVIL])
def test_a_page_is_whole_and_holds_its_plots(name: str, ramp: RampReport | None) -> None:
    parsed = Parsed(page(report(name=name, ramp=ramp)))
    assert parsed.count("svg") == (5 if ramp else 4)
    assert parsed.count("polyline") == 5
    assert parsed.count("table") == (3 if ramp else 2)
    assert any(name in words for words in parsed.words)
    assert "missed: p99 20 ms, over 10 ms (objective: p99 within 10 ms, at least 99.9 % answered)" in parsed.words


@pytest.mark.parametrize("name", ["cancer", EVIL])
def test_a_page_loads_and_runs_nothing(name: str) -> None:
    made = page(report(name=name, ramp=RAMP))
    parsed = Parsed(made)
    assert {tag for tag, _ in parsed.elements} <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div", "b", "span", "i", "figure",
        "figcaption", "section", "table", "tr", "th", "td", "footer",
        "svg", "g", "line", "text", "polyline", "circle", "rect",
    }  # fmt: skip
    attributes = {key for _, given in parsed.elements for key in given}
    assert not {key for key in attributes if key.startswith("on") or key in ("src", "href", "style", "xlink:href")}
    (style,) = re.findall(r"<style>(.*?)</style>", made, re.DOTALL)
    assert not re.search(r"url\(|@import|http", style)
    assert (
        "meta",
        {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"},
    ) in parsed.elements


def test_where_nothing_was_answered_there_is_a_page_too() -> None:
    parsed = Parsed(page(report(empty=True)))
    assert parsed.count("svg") == 0
    assert "none" in parsed.words


def test_every_place_is_a_number_within_the_plot() -> None:
    parsed = Parsed(page(report(ramp=RAMP)))
    places = [
        float(number)
        for tag, given in parsed.elements
        if tag in ("circle", "rect", "line", "polyline")
        for key in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "points", "width", "height")
        for number in re.findall(r"[^ ,]+", given.get(key) or "")
    ]
    assert places
    assert all(0 <= place <= 720 for place in places)


def test_a_long_run_is_drawn_in_few_points() -> None:
    seconds = [second(number, answered=0 if number % 7 == 0 else 100, failed=number % 3) for number in range(100_000)]
    for drawn in (rate_plot(seconds), latency_plot(seconds, None)):
        assert len(drawn) < 400 * MOST_POINTS
        for points in re.findall(r'points="([^"]*)"', drawn):
            assert MOST_POINTS / 2 < len(points.split()) <= MOST_POINTS


def test_a_stall_is_drawn_even_where_nothing_was_sent_meanwhile() -> None:
    still = Second(1, 0, 0, 0, 0, None, None)
    drawn = rate_plot([second(0), still, second(2), Second(3, 0, 5, 0, 0, 2.0, 3.0)])
    assert [len(points.split()) for points in re.findall(r'points="([^"]*)"', drawn)] == [3, 3]


def test_ticks_are_round_and_within() -> None:
    assert [words for _, words in ticks(across(0, 10))] == ["0", "2", "4", "6", "8", "10"]
    assert [words for _, words in ticks(Scale(0, 0.037, 0, 1))] == ["0", "0.01", "0.02", "0.03"]
    assert len(ticks(Scale(0, 0, 0, 1))) >= 1


def test_what_is_from_outside_is_escaped() -> None:
    assert element("b", text("<&>"), title='"<') == '<b title="&quot;&lt;">&lt;&amp;&gt;</b>'


def test_a_report_is_json_and_back() -> None:
    one = report(ramp=RAMP)
    assert msgspec.json.decode(msgspec.json.encode(one), type=BenchReport) == one
