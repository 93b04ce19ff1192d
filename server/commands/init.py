"""`chorus init`."""

from pathlib import Path

import click

from models.registry import Registry
from models.writing import write_atomically
from server.config import ConfigError
from server.settings import RegistrySettings


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), default="chorus.toml")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(path: Path, force: bool) -> None:
    """Write a commented configuration to PATH (chorus.toml).

    It serves every model of the registry beside it (.chorus/registry), those that fit together as an ensemble; if
    there is none, the demonstration's models.

    \b
    Examples:
      chorus init
      chorus init --force fraud.toml
    """
    from server.drafting import contents_of, demonstration, written

    registry = Registry(path.parent / RegistrySettings().path)
    contents = contents_of(registry)
    found = bool(contents.backends)
    text = written(contents if found else demonstration())
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; to replace it: --force")
    try:
        write_atomically(path.absolute(), text.encode())
        path.chmod(0o644)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    option = "" if path == Path("chorus.toml") else f" --config {path}"
    models = f"the {len(contents.backends)} models of {registry.path}" if found else "the demonstration"
    click.echo(f"wrote {path}, for {models}; next:")
    steps = ["check", "serve"] if found else ["train --missing", "check", "serve"]
    for step in steps:
        click.echo(f"  chorus {step}{option}")
