"""`chorus check`."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import click
import msgspec

from server.composites import kind_of
from server.config import ConfigError, Draft, read_config
from server.findings import Findings
from server.settings import Config, RemoteSettings
from server.tables import Mistake, shown_key


@click.command()
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), default="chorus.toml", show_default=True,
    help="The configuration file.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("--offline", is_flag=True, help="Do not ask remote models.")
def check(path: Path, as_json: bool, offline: bool) -> None:
    """Find every mistake in a configuration before anything starts.

    \b
    Checked are
      the file         keys, types and what refers to what
      the registry     that every model is there, and its files are what was registered
      compositions     that the parts of each ensemble, chain, ... fit together, and none is a part of itself
      the address      that nobody else listens there
      remote models    that they answer, and have the signature that is configured

    Exit code: 0 if it can be served, warnings or not; 1 if there is an error.

    \b
    Examples:
      chorus check
      chorus check --config fraud.toml --offline
      chorus check --json | jq '.errors[].text'
    """
    findings, summary = _checked(path, offline=offline)
    if as_json:
        report = {
            "config": str(path),
            "ok": not findings.errors,
            "errors": findings.errors,
            "warnings": findings.warnings,
        }
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        for line in findings.lines():
            click.echo(line, err=True)
        click.echo(f"{path}: {summary}", err=bool(findings.errors))
    sys.exit(1 if findings.errors else 0)


def _checked(path: Path, *, offline: bool) -> tuple[Findings, str]:
    """What was found, and that in a few words."""
    try:
        draft = read_config(path)
    except ConfigError as error:
        return Findings([Mistake("", "", line) for line in error.mistakes]), _count(len(error.mistakes), "error")
    from server import checking, listening  # which need NumPy; bad TOML does not

    found, config = checking.findings_of(draft), draft.config
    found.add(Findings(list(checking.damages_of(config))), str(path))
    found.add(listening.findings_of(config), str(path))
    if not offline and (far := _remotes(draft)):
        from server import remotes

        found.add(Findings(asyncio.run(remotes.mistakes_of(far))), str(path))
    warnings = _count(len(found.warnings), "warning")
    if found.errors:
        return found, f"{_count(len(found.errors), 'error')}, {warnings}"
    served = ", ".join(_count(number, what) for what, number in _served(config).items())
    return found, f"no errors, {warnings} ({served}); next: chorus serve"


def _remotes(draft: Draft) -> dict[str, RemoteSettings]:
    """The remote models that can be asked: those without a mistake in the file."""
    wrong = {mistake.table for mistake in draft.mistakes}
    return {
        name: settings
        for name, settings in draft.config.backends.items()
        if isinstance(settings, RemoteSettings) and f"backends.{shown_key(name)}" not in wrong
    }


def _served(config: Config) -> dict[str, int]:
    """How many there are of each: backends and ensembles, and what else there is."""
    kinds = Counter(kind_of(settings).name for settings in config.composites.values())
    return {"backend": len(config.backends), "ensemble": 0, **kinds}


def _count(number: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("ch") else f"{what}s"
    return f"{number} {what if number == 1 else plural}"
