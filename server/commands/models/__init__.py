"""`chorus models`: what is in the registry, and what becomes of it."""

import click

from server.commands.models.add import add
from server.commands.models.champion import promote, remove, rollback
from server.commands.models.listing import diff, list_, show


@click.group()
def models() -> None:
    """Add models to the registry, look at them, and say which version is served.

    A reference is NAME, which means its champion, NAME@ALIAS or NAME@VERSION.

    \b
    Examples:
      chorus models list
      chorus models add fraud/boosted model.ubj --labels fine,fraud --check rows.csv
      chorus models promote fraud/boosted
    """


for command in (add, list_, show, diff, promote, rollback, remove):
    models.add_command(command)
