"""What the environment and the command line say about the `[server]` table and the registry."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from server.settings import ServerSettings, Text
from server.tables import Mistake, Reading

KINDS: Mapping[str, Any] = {
    **{field.name: field.type for field in msgspec.structs.fields(ServerSettings)},
    "registry": Text,
}
"""What can be said: `--max-timeout-ms` and `CHORUS_MAX_TIMEOUT_MS` are `max_timeout_ms`."""
ALSO = {"fronts": "workers"}
"""As web servers call it; here a worker is a process that holds a model."""


def overrule(
    values: dict[str, Any], overrides: Mapping[str, object], environ: Mapping[str, str]
) -> tuple[dict[str, str], list[Mistake]]:
    """Put into `values` what is said: by whom, for each name, and what is wrong with it."""
    origins: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for origin, name, said in _said(overrides, environ):
        reading = Reading()
        value = reading.value(said, KINDS[name], "", name, strict=False)
        mistakes += [Mistake("", "", mistake.text, origin) for mistake in reading.mistakes]
        if not reading.mistakes:
            values[name] = absolute(Path(), value) if name == "registry" else value
            origins[name] = origin
    return origins, mistakes


def _said(overrides: Mapping[str, object], environ: Mapping[str, str]) -> Iterator[tuple[str, str, object]]:
    """Who says what about which name, the weaker first."""
    for name in KINDS:
        for called in filter(None, (ALSO.get(name), name)):
            variable = f"CHORUS_{called.upper()}"
            if variable in environ:
                yield variable, name, environ[variable]
    for name, value in overrides.items():
        if value is not None:
            yield f"--{ALSO.get(name, name).replace('_', '-')}", name, str(value) if isinstance(value, Path) else value


def absolute(folder: Path, path: str) -> str:
    """`path`, which may begin with `~`, as seen from `folder`."""
    return str((folder / Path(path).expanduser()).resolve())
