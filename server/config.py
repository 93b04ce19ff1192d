"""chorus.toml: read, overruled by the environment and the command line, and checked.

Precedence: command line, environment (`CHORUS_PORT`, ...), file, default. All mistakes are told at once, one line each.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from server.consistency import mistakes_of, warnings_of
from server.overrides import absolute, overrule
from server.settings import (
    Config,
    DebugSettings,
    EnsembleSettings,
    LocalSettings,
    RegistrySettings,
    RemoteSettings,
    ServerSettings,
)
from server.tables import Reading, did_you_mean, shown_key

__all__ = [
    "Config",
    "ConfigError",
    "DebugSettings",
    "EnsembleSettings",
    "LocalSettings",
    "RegistrySettings",
    "RemoteSettings",
    "ServerSettings",
    "load_config",
    "warnings_of",
]

NO_OVERRIDES: Mapping[str, object] = MappingProxyType({})

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOCAL, _REMOTE = LocalSettings.__struct_fields__, RemoteSettings.__struct_fields__


class ConfigError(ValueError):
    """A configuration that cannot be used; `mistakes` has one line for each thing that is wrong."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def load_config(
    path: Path, overrides: Mapping[str, object] = NO_OVERRIDES, environ: Mapping[str, str] = os.environ
) -> Config:
    """The configuration in the file `path`.

    `overrides` are by the name of a `[server]` field, or `registry`; None says nothing. A registry that is named there
    or in the environment is relative to the current folder, as on every command line.

    Raises:
        ConfigError: with all that is wrong.
    """
    document = _parsed(path)
    reading = Reading()
    _check_tables(document, reading)
    server = reading.values(document.get("server", {}), ServerSettings, "server")
    registry = reading.struct(document.get("registry", {}), RegistrySettings, "registry") or RegistrySettings()
    values = {**server, "registry": absolute(path.parent, registry.path)}
    origins, mistakes = overrule(values, overrides, environ)
    config = Config(
        registry=RegistrySettings(path=values.pop("registry")),
        server=ServerSettings(**values),
        debug=reading.struct(document.get("debug", {}), DebugSettings, "debug") or DebugSettings(),
        backends=_backends(_named(document, "backends", reading), reading),
        ensembles=_ensembles(_named(document, "ensembles", reading), reading),
    )
    lines = [f"{path}: {mistake}" for mistake in reading.mistakes] + mistakes
    for mistake in mistakes_of(config, _names(document, "backends"), _names(document, "ensembles")):
        origin = origins.get(mistake.key) if mistake.table == "server" else None
        lines.append(f"{origin}: {mistake.text}" if origin else f"{path}: {mistake}")
    if lines:
        raise ConfigError(*lines)
    return config


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"no {path.name} here ({path.parent.absolute()}); name one with --config") from None
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_with_line(str(error))}") from error


def _with_line(message: str) -> str:
    """`line 2, column 5: invalid value` from `Invalid value (at line 2, column 5)`."""
    said = re.fullmatch(r"(.*) \(at (.*)\)", message, re.DOTALL)
    words, place = said.groups() if said else (message, "")
    return f"{place or 'the file'}: {words[:1].lower()}{words[1:]}"


def _check_tables(document: Mapping[str, Any], reading: Reading) -> None:
    for key, value in document.items():
        if key in Config.__struct_fields__:
            continue
        if isinstance(value, dict):
            reading.wrong(shown_key(key), "", "unknown table" + did_you_mean(key, Config.__struct_fields__))
        else:
            belongs = "; it belongs under [server]" if key in ServerSettings.__struct_fields__ else ""
            reading.wrong("", shown_key(key), f"unknown key{belongs}")


def _names(document: Mapping[str, Any], kind: str) -> list[str]:
    tables = document.get(kind)
    return list(tables) if isinstance(tables, dict) else []


def _named(document: Mapping[str, Any], kind: str, reading: Reading) -> dict[str, Any]:
    """The tables `[kind.NAME]`, by the name."""
    tables = document.get(kind, {})
    if not isinstance(tables, dict):
        reading.wrong("", kind, f"expected tables [{kind}.NAME]")
        return {}
    for name in tables:
        if not _NAME.fullmatch(name):
            reading.wrong(f"{kind}.{shown_key(name)}", "", "a name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'")
    return tables


def _backends(tables: Mapping[str, Any], reading: Reading) -> dict[str, LocalSettings | RemoteSettings]:
    read = {name: _backend(raw, f"backends.{shown_key(name)}", reading) for name, raw in tables.items()}
    return {name: backend for name, backend in read.items() if backend is not None}


def _backend(raw: Any, table: str, reading: Reading) -> LocalSettings | RemoteSettings | None:
    """A remote one has a url, and nothing that only a local one has; and the other way round."""
    if not isinstance(raw, dict) or "url" not in raw:
        return reading.struct(raw, LocalSettings, table, other=_REMOTE, otherwise="only for a backend with a url")
    if raw.get("task") == "regression":
        raw = {"output": "predictions", **raw}
    remote = reading.struct(raw, RemoteSettings, table, other=_LOCAL, otherwise="not for a backend with a url")
    return remote and msgspec.structs.replace(remote, url=remote.url.rstrip("/"))


def _ensembles(tables: Mapping[str, Any], reading: Reading) -> dict[str, EnsembleSettings]:
    read = {name: reading.struct(raw, EnsembleSettings, f"ensembles.{shown_key(name)}") for name, raw in tables.items()}
    return {name: ensemble for name, ensemble in read.items() if ensemble is not None}
