"""`chorus bench`."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from server.commands.bench.options import Options


@click.command(short_help="Put a running server under load, and show how it does.")
@click.argument("targets", nargs=-1, metavar="[URL] [MODEL]")
@click.option("--rate", type=click.FloatRange(0.1, 1e6), help="Requests a second; with --ramp, the first to try.")
@click.option(
    "--seconds", type=click.FloatRange(0, 7 * 86400, min_open=True), help="How long; 10, and 5 for each step of a ramp."
)
@click.option(
    "-c",
    "--connections",
    type=click.IntRange(1, 20_000),
    help="Alone: a closed loop of so many; else the most there may be (1000).",
)
@click.option("--ramp", is_flag=True, help="Find the highest rate that holds the objective.")
@click.option("--poisson", is_flag=True, help="Let requests leave as independent users' do, not at equal distances.")
@click.option(
    "--p99-ms",
    type=click.FloatRange(0, min_open=True),
    help="Objective: 99 of 100 answers within so many milliseconds. A ramp has the model's timeout by default.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1),
    help="Objective: so many of the requests answered 200. A ramp has 0.999 by default.",
)
@click.option("--degraded", type=click.FloatRange(0, 1), help="Objective: at most so many of the answers degraded.")
@click.option(
    "--rows",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rows to send, as for chorus predict; otherwise the server's examples of the model.",
)
@click.option(
    "--rows-per-request",
    "rows_each",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="How many rows each request has.",
)
@click.option(
    "--protocol",
    type=click.Choice(["v1", "v2", "v2-binary"]),
    default="v1",
    show_default=True,
    help="KServe's first, or the Open Inference Protocol.",
)
@click.option(
    "--timeout-ms",
    type=click.FloatRange(0, min_open=True),
    help="How long the server may take for each; otherwise the model's own.",
)
@click.option("--members", metavar="NAMES", help="Ask only these members, with commas between them.")
@click.option("--quorum", type=click.IntRange(1, 1000), help="How many members must answer.")
@click.option("--early/--no-early", default=None, help="Whether answers leave once their label cannot change.")
@click.option(
    "--warm-up",
    type=click.FloatRange(0, 3600),
    default=1.0,
    show_default=True,
    help="Seconds of the same load before, which do not count.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all that was measured, in JSON.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write a report with plots, in one file.",
)
def bench(targets: tuple[str, ...], **given: Any) -> None:
    """Put MODEL of the server at URL under load: who answered, how fast, and whom the answers waited for.

    URL is otherwise CHORUS_URL, the address in chorus.toml here, or http://127.0.0.1:8080; MODEL the server's default.

    Latency counts from when a request was meant to leave, so that a stall shows in all the requests that it held up.
    Every request counts: what was refused, reset, or could not be sent in time is in no latency, but in the share.

    \b
    Which load:
      open loop    --rate: requests leave when they are meant to, however slow the answers; the default, 100 a second
      closed loop  -c alone: so many users, each of whom asks again once answered; finds the most that can be done
      ramp         --ramp: open loops, to find the highest rate that holds --p99-ms and --share

    Exit code: 0; 1 if an objective was missed, or nothing was answered; 130 after Ctrl-C, which reports what there is.

    \b
    Examples:
      chorus bench
      chorus bench breast-cancer --rate 200 --seconds 30 --html report.html
      chorus bench http://10.0.0.5:8080 fraud --rows rows.csv -c 32
      chorus bench breast-cancer --ramp --p99-ms 50
      chorus bench --rate 100 --p99-ms 20 --share 0.999 --json > bench.json || echo too slow
    """
    from server.commands.bench.run import run  # which needs NumPy and uvloop; --help does not

    url, model = targets_of(targets)
    options = Options(**given)
    if options.html is not None and not options.html.parent.is_dir():
        raise click.UsageError(f"--html: there is no folder {options.html.parent}")
    sys.exit(run(url or os.environ.get("CHORUS_URL"), model, options))


def targets_of(targets: tuple[str, ...]) -> tuple[str | None, str | None]:
    """The URL and the model; which is which can be seen."""
    urls = [one for one in targets if "://" in one]
    models = [one for one in targets if "://" not in one]
    if len(urls) > 1 or len(models) > 1:
        raise click.UsageError("expected at most one URL, with http:// or https://, and one MODEL")
    return next(iter(urls), None), next(iter(models), None)
