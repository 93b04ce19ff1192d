"""Where the plan of a server comes from, at the start and at every reload."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.registry import Registry
from server.checking import findings_of
from server.config import Config, ConfigError, read_config
from server.plan import Plan, make_plan

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration file, and what the command line said beside it."""

    path: Path
    given: Mapping[str, object]

    def config(self, warn: Warn) -> Config:
        """The configuration, after all of `chorus check` that asks nobody and reads no model.

        Raises:
            ConfigError: with all that is wrong.
        """
        draft = read_config(self.path, self.given)
        found = findings_of(draft)
        for warning in found.warnings:
            warn(str(warning))
        if found.errors:
            raise ConfigError(*found.errors)
        return draft.config

    def plan(self, folder: Path, warn: Warn, number: int = 1) -> Plan:
        """What the configuration and the registry come to now.

        Raises:
            ConfigError: with all that is wrong.
            ChorusError: a model is not there, or cannot be read.
        """
        config = self.config(warn)
        return make_plan(config, Registry(Path(config.registry.path)), folder, number)
