"""A report in words, the same on a console and on a page."""

from collections.abc import Mapping

from server.bench.figures import count, percent
from server.bench.report import Asked, BenchReport, RampReport
from server.bench.summary import Summary


def heading(asked: Asked) -> str:
    """`breast-cancer at http://127.0.0.1:8080: open loop, 100/s for 10 s, ...`."""
    load = {
        "open loop": f"open loop, {asked.rate or 0:g}/s for {asked.seconds:g} s",
        "closed loop": f"closed loop, {count(asked.connections, 'connection')} for {asked.seconds:g} s",
        "ramp": f"ramp from {asked.rate or 0:g}/s, steps of {asked.seconds:g} s",
    }[asked.loop]
    each = f"{count(asked.rows_per_request, 'row')} a request"
    return f"{asked.model} at {asked.url}: {load}, {each}, {asked.rows} of {asked.rows_source}, {asked.protocol}"


def ramp_words(ramp: RampReport) -> str:
    """The rate that was found."""
    so_far = "" if ramp.finished else " so far"
    if not ramp.held:
        return f"no rate held{so_far}; what follows is of the last one"
    return f"the highest rate that held{so_far}: {ramp.held:g}/s; what follows is of that rate"


def counted(result: Summary) -> str:
    """Each request once."""
    answered = f"{result.answered} answered ({percent(result.share)}), {result.rate.answered:g}/s"
    words = [f"{count(result.offered, 'request')}: {answered}"]
    refused = {f"status {status}": of for status, of in result.statuses.items() if status != "200"}
    words += [_listed("refused", refused)] if refused else []
    words += [_listed("failed", result.errors)] if result.errors else []
    words += [f"interrupted {result.interrupted}"] if result.interrupted else []
    return "; ".join(words)


def outcomes(result: Summary) -> str:
    """The statuses of the answers."""
    total = sum(result.outcomes.values())
    return ", ".join(f"{of} {status} ({percent(of / total)})" for status, of in result.outcomes.items())


def verdict(report: BenchReport) -> str:
    """Whether the objective was met."""
    objective = report.objective
    parts = [
        f"p99 within {objective.p99_ms:g} ms" if objective.p99_ms is not None else "",
        f"at least {percent(objective.share)} answered" if objective.share is not None else "",
        f"at most {percent(objective.degraded)} degraded" if objective.degraded is not None else "",
    ]
    words = ", ".join(part for part in parts if part)
    return f"missed: {'; '.join(report.missed)} (objective: {words})" if report.missed else f"held: {words}"


def _listed(word: str, counts: Mapping[str, int]) -> str:
    return f"{word} {sum(counts.values())} ({', '.join(f'{name} {of}' for name, of in counts.items())})"
