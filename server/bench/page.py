"""A report as one HTML file: nothing is loaded from anywhere, nothing runs, and it prints."""

from collections.abc import Iterable, Mapping

from server.bench.figures import number, percent
from server.bench.latencies import LEVELS
from server.bench.markup import Safe, element, text
from server.bench.members import MemberSummary
from server.bench.over_time import latency_plot, rate_plot
from server.bench.plots import COLOURS, percentile_plot, ramp_plot, wait_bars
from server.bench.ramp import Step
from server.bench.report import BenchReport
from server.bench.style import STYLE
from server.bench.words import counted, heading, outcomes, ramp_words, verdict

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: BenchReport) -> str:
    """`report` for a browser, light or dark."""
    title = f"{report.asked.model} under load"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", text(title)),
        element("style", Safe(STYLE)),
    )
    body = element("body", element("main", *_top(report, title), *_plots(report), *_tables(report), _foot(report)))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _top(report: BenchReport, title: str) -> list[Safe]:
    result = report.result
    parts = [element("h1", text(title)), element("p", text(heading(report.asked)), class_="muted-text")]
    if report.ramp is not None:
        parts.append(element("p", text(ramp_words(report.ramp)), class_="note"))
    if report.objective:
        parts.append(element("p", text(verdict(report)), class_="note bad" if report.missed else "note good"))
    if report.doubt:
        parts.append(element("p", text(f"Warning: {report.doubt}."), class_="note warn"))
    tiles = {
        "answered": percent(result.share),
        "answers a second": f"{result.rate.answered:g}",
        "median": _ms(result.latency_ms.get("p50")),
        "p99": _ms(result.latency_ms.get("p99")),
        "slowest": _ms(result.latency_ms.get("max")),
    }
    if result.outcomes:
        tiles["degraded"] = percent(result.degraded_share)
    shown = [element("div", element("b", text(value)), element("span", text(name))) for name, value in tiles.items()]
    lines = [counted(result), *([outcomes(result)] if result.outcomes else [])]
    return [*parts, element("div", *shown, class_="tiles"), *(element("p", text(line)) for line in lines)]


def _plots(report: BenchReport) -> Iterable[Safe]:
    result, limit = report.result, report.objective.p99_ms
    if report.ramp is not None and report.ramp.steps:
        drawn, colours = ramp_plot(report.ramp.steps, limit), {"held": "green", "missed": "red"}
        yield _figure("The rates that were tried", drawn, "A dot a step: its p99 by its requests a second.", colours)
    if result.percentiles:
        caption = "From when a request was meant to leave to the end of its answer. Each nine is ten times rarer."
        yield _figure("Latency by percentile", percentile_plot(result, limit), caption, {})
    if result.series:
        drawn, colours = rate_plot(result.series), {"answered": "blue", "sent": "muted", "refused or failed": "bad"}
        yield _figure("Requests over time", drawn, "Requests in each second of the run.", colours)
        drawn, colours = latency_plot(result.series, limit), {"median": "blue", "p99": "orange"}
        yield _figure("Latency over time", drawn, "Of the answers that came in each second of the run.", colours)
    if result.members:
        colours = {name: f"c{index % COLOURS}" for index, name in enumerate(result.members)}
        caption = (
            "Who answered last, by answers; and the time that was waited for members, for one alone or for several."
        )
        drawn, colours = wait_bars(result.members), colours | {"several": "shared"}
        yield _figure("Whom the answers waited for", drawn, caption, colours)


def _figure(title: str, drawn: Safe, caption: str, legend: Mapping[str, str]) -> Safe:
    keys = [element("span", element("i", class_=colour), text(name)) for name, colour in legend.items()]
    said = element("figcaption", element("span", text(caption), class_="muted-text"), *keys)
    return element("figure", element("h2", text(title)), drawn, said)


def _tables(report: BenchReport) -> Iterable[Safe]:
    result = report.result
    levels = {
        "answers": result.latency_ms,
        "refusals": result.refused_ms,
        "the generator's own lag": result.generator.lag_ms,
    }
    rows = [[name, *(number(of[level]) for level in LEVELS)] for name, of in levels.items() if of]
    yield _table("Latency, ms", ["", *LEVELS], rows)
    if result.members:
        headings = ["member", "ok", "p50 ms", "p99 ms", "last", "by ms", "share of the wait", "other fates"]
        yield _table("Members", headings, [_member(name, one) for name, one in result.members.items()])
    if report.ramp is not None:
        yield _table("Steps", ["rate", "verdict", "p99 ms", "answered", "missed"], map(_step, report.ramp.steps))


def _member(name: str, one: MemberSummary) -> list[str]:
    others = ", ".join(f"{fate} {count}" for fate, count in one.fates.items() if fate != "ok")
    figures = [number(one.p50_ms), number(one.p99_ms), str(one.last), number(one.last_by_ms), percent(one.wait_share)]
    return [name, str(one.fates.get("ok", 0)), *figures, others]


def _step(step: Step) -> list[str]:
    verdict = "held" if step.held else "missed"
    return [f"{step.rate:g}/s", verdict, number(step.p99_ms), percent(step.share), ", ".join(step.missed)]


def _table(title: str, headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Safe:
    top = element("tr", *(element("th", text(heading)) for heading in headings))
    body = [element("tr", *(element("td", text(cell)) for cell in row)) for row in rows]
    return element("section", element("h2", text(title)), element("table", top, *body))


def _foot(report: BenchReport) -> Safe:
    generator = report.result.generator
    used = (
        f"The generator used {percent(generator.cpu)} of a core, {generator.us_per_request:g} microseconds a request."
    )
    made = f"chorus {report.version}, {report.began}. {used} Point at a plot to read its figures."
    return element("footer", text(made), class_="muted-text")


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g} ms"
