"""Has the servers of a registry take up what has just been changed there."""

import click

from models.registry import Registry
from server.commands.reload import UNCHANGED, told_by
from server.servers import NotDone, servers


def reach_servers(registry: Registry) -> None:
    """All of them; what each says.

    Raises:
        click.ClickException: one has not taken it up, so that the registry is ahead of it.
    """
    path = str(registry.path.resolve())
    meant = [found for found in servers() if found.about.registry == path]
    if not meant:
        click.echo("no server of yours runs with this registry here; the next start takes it up")
    for found in meant:
        try:
            told = told_by(found)
        except (NotDone, OSError) as error:
            said = f"the server at {found.origin} has not taken it up, and serves as before: {error}"
            raise click.ClickException(said) from error
        click.echo(f"the server at {found.origin}: {'serves it not' if told == UNCHANGED else told}")
