"""Which registry a command means."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from models.registry import Registry
from server.config import read_config
from server.settings import RegistrySettings

CONFIG = "chorus.toml"


def with_registry(command: Callable[..., None]) -> Callable[..., None]:
    """Pass `command` the registry that `--registry` or the configuration names, by default the one of this folder."""

    @click.option(
        "-c", "--config", "config_path", type=click.Path(path_type=Path), help="The configuration, which names it."
    )
    @click.option("--registry", "path", type=click.Path(path_type=Path), help="The folder of the registry itself.")
    @wraps(command)
    def placed(config_path: Path | None, path: Path | None, **given: Any) -> None:
        command(registry=Registry(path or _named(config_path)), **given)

    return placed


def _named(config: Path | None) -> Path:
    if config is None and not Path(CONFIG).exists():
        return Path(RegistrySettings().path)
    return Path(read_config(config or Path(CONFIG)).config.registry.path)  # its other mistakes are not ours
