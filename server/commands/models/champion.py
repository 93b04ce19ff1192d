"""`chorus models promote`, `rollback` and `remove`: which versions there are, and which one is served."""

from typing import Any

import click

from models import promotion
from models.registry import Registry
from server.commands.models.place import with_registry
from server.commands.models.reach import reach_servers

LATER = click.option("--later", is_flag=True, help="Servers that run take it up at their next reload or start.")


class Share(click.ParamType[float]):
    """A share of all requests: 5% or 0.05."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As a number from 0 to 1."""
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"expected a share such as 5% or 0.05, got {text!r}", param, ctx)
        if not 0 < share < 1:
            self.fail(f"a canary's share is over 0 and under 100%, such as 5% or 0.05; got {text}", param, ctx)
        return share


@click.command()
@click.argument("reference")
@click.option("--canary", type=Share(), metavar="SHARE", help="Give it this share of the requests for now: 5%.")
@click.option("--force", is_flag=True, help="Even if it takes or gives something else than the champion.")
@LATER
@with_registry
def promote(registry: Registry, reference: str, canary: float | None, force: bool, later: bool) -> None:
    """Make a version the champion: NAME@VERSION, or of NAME the canary, else the candidate.

    With --canary it gets a share of the champion's requests, the same requests each time; again with another share, and
    it grows or shrinks. Without, it gets all. Servers of yours that run with this registry take it up at once, unless
    --later.

    \b
    Examples:
      chorus models promote fraud/boosted
      chorus models promote fraud/boosted@3
      chorus models promote fraud/boosted --canary 5%
    """
    if canary is not None:
        version = promotion.start_canary(registry, reference, canary, force=force)
        click.echo(f"{version} gets {canary * 100:.4g}% of the requests")
        click.echo(f"for all: chorus models promote {version.name}; to end it: chorus models rollback {version.name}")
    else:
        version = promotion.promote(registry, reference, force=force)
        click.echo(f"{version} is the champion; to undo it: chorus models rollback {version.name}")
    if not later:
        reach_servers(registry)


@click.command()
@click.argument("name")
@LATER
@with_registry
def rollback(registry: Registry, name: str, later: bool) -> None:
    """End the canary of NAME, if it has one; else make its previous champion the champion again.

    Servers of yours that run with this registry take it up at once, unless --later.

    \b
    Example:
      chorus models rollback fraud/boosted
    """
    if (ended := promotion.end_canary(registry, name)) is not None:
        click.echo(f"{name}@{ended} is no canary any more: {registry.resolve(name)} gets all requests")
    else:
        click.echo(f"{promotion.rollback(registry, name)} is the champion again")
    if not later:
        reach_servers(registry)


@click.command()
@click.argument("reference")
@with_registry
def remove(registry: Registry, reference: str) -> None:
    """Remove one version, NAME@VERSION, for good. One that an alias points at stays.

    \b
    Example:
      chorus models remove fraud/boosted@2
    """
    click.echo(f"removed {registry.remove(reference)}")
