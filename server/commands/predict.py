"""`chorus predict`."""

import asyncio
import io
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from models.errors import ChorusError
from server.commands.progress import RowProgress
from server.config import ConfigError, load_config
from server.records import Csv, JsonLines, Style, Table, records_of
from server.settings import Config

FILE_TIMEOUT_MS = 60_000  # for 1,000 rows of a file, which nobody waits for; a server may allow less


@click.command(short_help="Ask a model about rows: a file, standard input or the command line.")
@click.argument("model")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--row", "typed", multiple=True, metavar="ROW", help="A row: 'name=1,other=2', or 1,2. May be repeated.")
@click.option("--url", envvar="CHORUS_URL", help="The server to ask; also CHORUS_URL.")
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), default="chorus.toml", show_default=True,
    help="The configuration, where there is no --url.",
)  # fmt: skip
@click.option("--timeout-ms", type=click.FloatRange(0, min_open=True), help="How long each request may take.")
@click.option(
    "--members", metavar="NAMES", help="Ask only these members, with commas between them; more than half must answer."
)
@click.option("--explain", is_flag=True, help="Show what each member said.")
@click.option("--ignore-extra", is_flag=True, help="Leave out columns that are no features of the model.")
@click.option(
    "--json",
    "style",
    flag_value="json",
    help="Print one JSON object a row; the default where the output is no terminal.",
)
@click.option("--csv", "style", flag_value="csv", help="Print CSV.")
def predict(model: str, file: str | None, typed: Sequence[str], url: str | None, path: Path, **given: Any) -> None:
    """Ask MODEL about the rows of FILE, or of standard input.

    FILE holds CSV with a header of feature names in any order (an empty cell is a missing value), JSON (a list of
    rows, or {"instances": rows}) or one JSON row a line. A row is a list of values, or an object by feature name.

    Who is asked: the server at --url; else the one at the configuration's address, if it is up and serves MODEL; else
    the models are loaded here. MODEL is a backend or an ensemble; loaded here, it may be a model of the registry, too.

    Answers come in the order of the rows. The rows of a file are sent 1,000 at a time, and each 1,000 may take a
    minute; a --row has the time that the model has by itself.

    \b
    Examples:
      chorus predict breast-cancer patients.csv
      chorus predict breast-cancer patients.csv --csv --ignore-extra > answers.csv
      cat rows.jsonl | chorus predict breast-cancer --members forest,mlp --explain
      chorus predict iris --row 5.1,3.5,1.4,0.2 --url http://127.0.0.1:8080
      chorus predict breast-cancer/forest@2 patients.csv
    """
    if typed and file:
        raise click.UsageError("give either FILE or --row")
    if not typed and not file and sys.stdin.isatty():
        raise click.UsageError("no rows: name a FILE, give a --row, or send rows to standard input")
    call = Call(model, file or "-", tuple(typed), url, path, **given)
    try:
        asyncio.run(call.run())
    except BrokenPipeError:  # who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


class Call:
    """One run of the command."""

    def __init__(
        self, model: str, file: str, typed: Sequence[str], url: str | None, path: Path, *,
        timeout_ms: float | None, members: str | None, explain: bool, ignore_extra: bool, style: str | None,
    ) -> None:  # fmt: skip
        self._model, self._file, self._typed, self._url, self._path = model, file, typed, url, path
        self._ignore_extra = ignore_extra
        timeout_ms = timeout_ms or (None if typed else FILE_TIMEOUT_MS)
        quorum = None if members is None else len(members.split(",")) // 2 + 1  # the ensemble's may be more than that
        asked = {"timeout_ms": timeout_ms, "members": members, "quorum": quorum, "explain": explain or None}
        self._parameters = {name: value for name, value in asked.items() if value is not None}
        self._style = _style(style)
        self._degraded = 0

    async def run(self) -> None:
        """Ask, and print."""
        from server.prediction import answer
        from server.rows import chunks

        began, rows = time.monotonic(), 0
        async with self._asker() as asker:
            with self._progress() as progress:
                try:
                    for chunk in chunks(self._rows(asker.columns, progress)):
                        self._print(await answer(asker, chunk, self._parameters))
                        rows += len(chunk)
                        progress.advance(rows)
                except ChorusError as error:
                    raise ChorusError(f"{self._name}: {error}") from error
        self._conclude(rows, time.monotonic() - began)

    @property
    def _name(self) -> str:
        return "--row" if self._typed else "standard input" if self._file == "-" else self._file

    @asynccontextmanager
    async def _asker(self) -> AsyncIterator[Any]:
        from server.prediction import at_server, in_process

        if self._url is not None:
            if not self._url.startswith(("http://", "https://")):
                raise ConfigError(f"--url: expected an address such as http://127.0.0.1:8080, got {self._url!r}")
            source = at_server(self._url, self._model)
        else:
            config = load_config(self._path)
            running = _running(config, self._model)
            source = at_server(running, self._model) if running else in_process(config, self._model)
            if sys.stderr.isatty():
                click.echo(f"asking {running or 'the models themselves, in this process'}", err=True)
        async with source as asker:
            yield asker

    def _rows(self, columns: Any, progress: RowProgress) -> Iterable[Any]:
        from server.cells import row_of
        from server.rows import Row, read_rows

        if self._typed:
            numbered = [(text, f"row {number}") for number, text in enumerate(self._typed, 1)]
            return [Row(place, row_of(text, columns, place)) for text, place in numbered]
        stream = sys.stdin.buffer if self._file == "-" else progress.opened(Path(self._file))
        assert isinstance(stream, io.BufferedReader)  # noqa: S101 - what files and pipes are
        return read_rows(stream, self._file, columns, ignore_extra=self._ignore_extra)

    def _progress(self) -> RowProgress:
        return RowProgress(self._file, shown=sys.stderr.isatty() and not sys.stdout.isatty() and not self._typed)

    def _print(self, answer: dict[str, Any]) -> None:
        records = list(records_of(answer))
        self._degraded += sum("degraded" in record for record in records)
        sys.stdout.write(self._style.text(records))
        sys.stdout.flush()

    def _conclude(self, rows: int, seconds: float) -> None:
        if not rows:
            raise ConfigError(f"{self._name}: no rows")
        if self._degraded:
            text = (
                f"warning: {self._degraded} of {rows} answers are degraded: some members did not answer; see --explain"
            )
            click.echo(text, err=True)
        if seconds > RowProgress.SECONDS and not sys.stdout.isatty():
            click.echo(f"{rows} rows in {seconds:.1f} s", err=True)


def _style(named: str | None) -> Style:
    if named == "csv":
        return Csv()
    return Table() if named is None and sys.stdout.isatty() else JsonLines()


def _running(config: Config, model: str) -> str | None:
    """The server of this configuration, if it is up and serves `model`."""
    from server.listening import chorus_at, origin_of

    there = chorus_at(config.server.host, config.server.port) if config.server.port else None
    return origin_of(config.server.host, config.server.port) if there and model in there.models else None
