"""Which backends no answer waits for: asked aside, as by shadows. Their processes give way to those that answer."""

import os
from collections.abc import Collection, Iterable

from server.composites import kind_of
from server.consistency import parts_of
from server.settings import Config

NICENESS = 10  # of 19: beside a process that is busy answering, such a one gets about a tenth of a core


def background(config: Config) -> frozenset[str]:
    """The backends that are asked aside, and in no other way by what `config` names."""
    composites = config.composites.values()
    parts = {part for settings in composites for part in parts_of(settings)}
    aside = {part for settings in composites for part in kind_of(settings).aside(settings)}
    ahead = _reached(config, {config.default, *config.names} - (parts - {config.default}), with_aside=False)
    return _reached(config, aside, with_aside=True) - ahead


def _reached(config: Config, names: Iterable[str], *, with_aside: bool) -> frozenset[str]:
    """The backends among `names` and all that these ask."""
    reached: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in reached:
            reached.add(name)
            left += _asked(config, name, with_aside=with_aside)
    return frozenset(reached & config.backends.keys())


def _asked(config: Config, name: str, *, with_aside: bool) -> Collection[str]:
    if name not in config.composites:
        return ()
    settings = config.composites[name]
    aside = set() if with_aside else set(kind_of(settings).aside(settings))
    return [part for part in parts_of(settings) if part not in aside]


def give_way() -> None:
    """Let other processes have the cores first."""
    os.nice(NICENESS)
