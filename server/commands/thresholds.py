"""`chorus thresholds`."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.table import Table

from models.errors import ChorusError
from models.names import no_such
from server.commands.client import json_option
from server.commands.terminal import wide_console
from server.config import Config, ConfigError, load_config

if TYPE_CHECKING:
    from aggregator.thresholds import Outlook
    from models.csv_rows import CsvRows
    from models.types import Array
    from server.composites.cascade import CascadeSettings

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
PATIENCE_SECONDS = 600.0
NOTE = "Choose by rows that are new to the members; judge the choice by others."


@click.command()
@click.argument("cascade")
@click.argument("rows", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), default="chorus.toml", show_default=True,
    help="The configuration, which names the cascade.",
)  # fmt: skip
@json_option
def thresholds(cascade: str, rows: Path, path: Path, as_json: bool) -> None:
    """What CASCADE would do at other values of min_confidence, on ROWS whose labels are known.

    ROWS is a CSV with the features by name, and the truth in a column `label` or `target`. Every member is asked about
    every row, in this process; no server is needed.

    \b
    Example:
      chorus thresholds digits-cascade validation.csv
    """
    from models.csv_rows import read_csv

    config = load_config(path)
    settings = _cascade(config, cascade)
    found, used = asyncio.run(_found(config, cascade, settings, read_csv(rows.name, rows.read_bytes())))
    if as_json:
        document = {"cascade": cascade, "rows": rows.name, "min_confidence": used, "thresholds": list(map(_row, found))}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return
    console = wide_console()
    console.print(_table(found, used))
    console.print(f"\n* is what {cascade} has. {NOTE}", soft_wrap=True)


def _cascade(config: Config, name: str) -> "CascadeSettings":
    from server.composites.cascade import CascadeSettings

    cascades = {one: settings for one, settings in config.composites.items() if isinstance(settings, CascadeSettings)}
    if name not in cascades:
        raise ConfigError(no_such("cascade", name, list(cascades)))
    return cascades[name]


async def _found(
    config: Config, name: str, settings: "CascadeSettings", rows: "CsvRows"
) -> "tuple[list[Outlook], float]":
    """What comes of each threshold, and which one is set."""
    from aggregator.member import assemble
    from aggregator.thresholds import outlooks
    from server.composites.stages import MIN_AGREEMENT, MIN_CONFIDENCE, rule_of
    from server.prediction import composed_here

    async with composed_here(config, name) as (composition, served):
        signature = served.signature
        if not signature.labels:
            raise ChorusError(f"{name} is for regression, which is sure by max_spread; this is for min_confidence")
        truth = rows.targets(signature)
        if truth is None:
            raise ChorusError(f"{rows.file} has no column 'label' or 'target'")
        _, members = assemble([composition.find(one) for one in settings.members], settings.weights, ())
        inputs = rows.inputs(signature.inputs)
        said = {member.name: await _said(member, inputs) for member in members}
    stages = [{one: said[one] for one in stage} for stage in settings.stages]
    used = MIN_CONFIDENCE if settings.min_confidence is None else settings.min_confidence
    agreement = MIN_AGREEMENT if settings.min_agreement is None else settings.min_agreement
    confidences = sorted({*CONFIDENCES, used})
    rule = rule_of(settings, signature)
    return list(outlooks(rule, stages, truth, confidences, min_agreement=agreement, weights=settings.weights)), used


async def _said(member: Any, inputs: "Mapping[str, Array]") -> "Array":
    from models.deadline import deadline_after
    from models.types import InferRequest

    scores: Array = member.scores(await member.ask(InferRequest(inputs), deadline_after(PATIENCE_SECONDS)))
    return scores


def _row(one: "Outlook") -> dict[str, Any]:
    return {"min_confidence": one.min_confidence, "went_on": one.share, "accuracy": one.accuracy}


def _table(found: "Sequence[Outlook]", used: float) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("min_confidence", "rows that went on", "accuracy"):
        table.add_column(heading, justify="right")
    for one in found:
        confidence = one.min_confidence
        shown = "all stages for all" if confidence is None else f"{'* ' if confidence == used else ''}{confidence:g}"
        table.add_row(shown, f"{one.share:.1%}", f"{one.accuracy:.2%}")
    return table
