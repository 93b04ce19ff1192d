"""A model whose champion has a canary, as `chorus models promote --canary` gives it one: a split of the two.

The backend's name is then that of the split, so that whoever asks it, callers and other compositions, notices nothing.
"""

import msgspec

from models.registry import CANARY, CHAMPION, Registry
from server.composites.split import SplitSettings
from server.settings import Config, LocalSettings


def with_canaries(config: Config, registry: Registry) -> Config:
    """`config` with two backends, `NAME@champion` and `NAME@canary`, in the place of each that has a canary.

    Raises:
        RegistryError: the aliases of a model cannot be read.
    """
    backends: dict[str, object] = {}
    splits: dict[str, SplitSettings] = {}
    for name, settings in config.backends.items():
        share = _share(settings, registry) if isinstance(settings, LocalSettings) else None
        if share is None or not isinstance(settings, LocalSettings):
            backends[name] = settings
            continue
        model = settings.model.partition("@")[0]
        champion, canary = f"{name}@{CHAMPION}", f"{name}@{CANARY}"
        backends[champion] = msgspec.structs.replace(settings, model=f"{model}@{CHAMPION}")
        backends[canary] = msgspec.structs.replace(settings, model=f"{model}@{CANARY}")
        splits[name] = SplitSettings(
            shares={champion: 1 - share, canary: share}, key=settings.canary_key, timeout_ms=settings.timeout_ms
        )
    if not splits:
        return config
    server = msgspec.structs.replace(config.server, default=config.default)  # which a split more must not change
    composites = {**config.composites, **splits}
    return msgspec.structs.replace(config, server=server, backends=backends, composites=composites)


def _share(settings: LocalSettings, registry: Registry) -> float | None:
    model, _, wanted = settings.model.partition("@")
    return registry.canary_share(model) if wanted in ("", CHAMPION) else None
