"""`chorus models promote`, `rollback` and `remove`: which versions there are, and which one is served."""

import click

from models import promotion
from models.registry import Registry
from server.commands.models.place import with_registry


@click.command()
@click.argument("reference")
@click.option("--force", is_flag=True, help="Even if it takes or gives something else than the champion.")
@with_registry
def promote(registry: Registry, reference: str, force: bool) -> None:
    """Make a version the champion: the candidate of NAME, or NAME@VERSION.

    A server takes it up when it starts the next time.

    \b
    Examples:
      chorus models promote fraud/boosted
      chorus models promote fraud/boosted@3
    """
    version = promotion.promote(registry, reference, force=force)
    click.echo(f"{version} is the champion; to undo it: chorus models rollback {version.name}")


@click.command()
@click.argument("name")
@with_registry
def rollback(registry: Registry, name: str) -> None:
    """Make the previous champion of NAME the champion again.

    \b
    Example:
      chorus models rollback fraud/boosted
    """
    click.echo(f"{promotion.rollback(registry, name)} is the champion again")


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
