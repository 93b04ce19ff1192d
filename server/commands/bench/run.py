"""One run of the command: who is asked, the load, and what is said of it."""

import asyncio
import contextlib
import gc
import resource
from collections.abc import Coroutine
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import click
import msgspec
import uvloop

from models.errors import ChorusError
from server.bench.arrivals import constant, poisson
from server.bench.closed_loop import closed_loop
from server.bench.measured import Measured
from server.bench.once import once
from server.bench.open_loop import open_loop
from server.bench.page import page
from server.bench.ramp import Ramp
from server.bench.report import Asked, BenchReport, RampReport
from server.bench.search import Search
from server.bench.summary import Summary, summary_of
from server.commands.bench.options import Options
from server.commands.bench.planning import load_of, objective_of
from server.commands.bench.progress import show_seconds, show_step
from server.commands.bench.subject import Subject, subject_of
from server.commands.bench.tables import print_report
from server.commands.client import Client, echo_json
from server.commands.terminal import wide_console

SPARE_FILES = 64


def run(url: str | None, model: str | None, options: Options) -> int:
    """Ask, show, and give the exit code.

    Raises:
        ChorusError: it could not begin.
    """
    client = Client(url)
    subject = subject_of(client, model, options.file)
    report = Bench(client.url, subject, options).run()
    if options.as_json:
        echo_json(msgspec.to_builtins(report))
    else:
        print_report(wide_console(), report)
    if options.html is not None:
        options.html.write_text(page(report), "utf-8")
        click.echo(f"report: {options.html}", err=True)
    if report.interrupted:
        return 130
    return 1 if report.missed or not report.result.answered else 0


class Bench:
    """One subject under one load."""

    def __init__(self, url: str, subject: Subject, options: Options) -> None:
        self._url, self._subject, self._options = url, subject, options
        self._objective = objective_of(options, subject)
        self._load = load_of(url, subject, options)

    def run(self) -> BenchReport:
        """All of it; after Ctrl-C with what there is by then."""
        _allow_files(self._load.connections)
        gc.collect()
        gc.freeze()  # what is loaded need not be looked at while the clock runs
        began = datetime.now(UTC).isoformat(timespec="seconds")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._begin())
            ramp, result, whole = self._ramp(runner) if self._options.ramp else self._loop(runner)
        missed = ["no rate held the objective"] if ramp and not ramp.held else self._objective.missed(result)
        return BenchReport(
            version=version("chorus-serve"), began=began, asked=self._asked(), objective=self._objective,
            missed=missed, interrupted=not whole, ramp=ramp, result=result,
        )  # fmt: skip

    async def _begin(self) -> None:
        """One request, which must not be wrong; then the warm-up."""
        try:
            first = await once(self._load, self._load.requests[0])
        except OSError as error:
            raise ChorusError(f"cannot reach {self._url}: {error.strerror or error}") from error
        if first.error is not None:
            raise ChorusError(f"no answer from {self._url}: {first.error}")
        if first.status is not None and 400 <= first.status < 500 and first.status != 429:
            raise ChorusError(f"{self._url}: HTTP status {first.status}: {_said(first.body)}")
        if self._options.warm_up:
            await self._looping(self._options.warm_up, Measured())

    def _looping(self, seconds: float, measured: Measured) -> Coroutine[Any, Any, Measured]:
        """One open or closed loop."""
        if self._options.loop == "closed loop":
            return closed_loop(self._load, seconds, measured)
        arrivals = poisson if self._options.poisson else constant
        return open_loop(self._load, arrivals(self._options.offered_rate, seconds), measured)

    def _loop(self, runner: asyncio.Runner) -> tuple[None, Summary, bool]:
        measured, seconds = Measured(self._load.read), self._options.lasting
        whole = _run(runner, show_seconds(self._looping(seconds, measured), measured, seconds))
        rate = self._options.offered_rate if self._options.loop == "open loop" else None
        return None, summary_of(measured, seconds=seconds, rate=rate), whole

    def _ramp(self, runner: asyncio.Runner) -> tuple[RampReport, Summary, bool]:
        search = Search(start=self._options.offered_rate, least=min(1.0, self._options.offered_rate))
        ramp = Ramp(self._load, self._objective, search, seconds=self._options.lasting)
        whole = _run(runner, ramp.run(show_step))
        result = ramp.best or ramp.last or summary_of(ramp.measured, seconds=self._options.lasting)
        return RampReport(held=ramp.held, finished=whole, steps=ramp.steps, doubt=ramp.doubt), result, whole

    def _asked(self) -> Asked:
        options, subject = self._options, self._subject
        return Asked(
            url=self._url, model=subject.model.name, protocol=options.protocol, loop=options.loop,
            rate=None if options.loop == "closed loop" else options.offered_rate,
            connections=self._load.connections, seconds=options.lasting, rows=len(subject.rows),
            rows_source=subject.source, rows_per_request=options.rows_each, timeout_ms=options.timeout_ms,
            parameters=options.parameters,
        )  # fmt: skip


def _run(runner: asyncio.Runner, work: Coroutine[Any, Any, object]) -> bool:
    """Whether `work` came to its end, and not to a Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        runner.run(work)
        return True
    click.echo("interrupted; this is what there is", err=True)
    return False


def _allow_files(connections: int) -> None:
    """As many open files as connections need, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _said(body: bytes) -> str:
    """The words of a problem."""
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except ValueError:
        return "no reason given"
    return str(said.get("error", said.get("detail", "no reason given")))[:300]
