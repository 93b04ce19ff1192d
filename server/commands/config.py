"""`chorus config`."""

import click
import msgspec


@click.group()
def config() -> None:
    """About the configuration file, chorus.toml."""


@config.command()
def schema() -> None:
    """Print the JSON Schema of chorus.toml, for completion and checks in an editor.

    \b
    Examples:
      chorus config schema > chorus.schema.json
    Then, with the editor's extension for TOML, as the first line of chorus.toml:
      #:schema ./chorus.schema.json
    """
    from server.schema import schema as described

    click.echo(msgspec.json.format(msgspec.json.encode(described()), indent=2))
