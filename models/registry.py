"""A folder of immutable model versions and the aliases that point at them.

    <path>/<name>/<version>/    manifest.json, model.onnx, original.skops, ...; read-only
    <path>/<name>/aliases.json  {"champion": "3", "candidate": "4", "previous": "2"}; with a canary also
                                {"canary": "4", "canary%": 5.0}: the version, and its share of the requests
    <path>/<name>/.removed-1    so that a number is never given twice

A name may hold slashes, as in `breast-cancer/logreg`. A version appears whole or not at all: it is written beside its
place, flushed to the disk and renamed. Who registers or moves an alias holds a lock on the name's folder; readers need
none.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from models.errors import RegistryError, UnknownName
from models.manifest import Manifest, read_manifest, verify_files
from models.names import no_such
from models.runtimes import Model, load, load_original
from models.writing import locked, remove_version, removed_versions, write_atomically, write_version

ALIASES = "aliases.json"
CHAMPION, CANDIDATE, PREVIOUS, CANARY = "champion", "candidate", "previous", "canary"
PERCENT = "canary%"  # which no alias can be called

_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_VERSION = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one model, and what its manifest says."""

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> str:
        return self.manifest.version

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class Registry:
    """The registry in the folder `path`, which need not exist yet.

    A reference is `name`, which means its champion, `name@alias` or `name@version`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """All models, sorted."""
        return sorted(name for name in _folders(self.path) if self.versions(name))

    def versions(self, name: str) -> list[str]:
        """The versions of `name`, the oldest first; none if there is no such model."""
        folder = self.path / name
        found = [entry.name for entry in folder.iterdir()] if valid_name(name) and folder.is_dir() else []
        return sorted((version for version in found if _VERSION.fullmatch(version)), key=int)

    def aliases(self, name: str) -> dict[str, str]:
        """What each alias of `name` points at.

        Raises:
            RegistryError: the file of aliases cannot be read.
        """
        return {alias: version for alias, version in self._file(name).items() if isinstance(version, str)}

    def canary_share(self, name: str) -> float | None:
        """The share of the requests to `name` that its canary gets, over 0 and under 1; None if it has none.

        Raises:
            RegistryError: the file of aliases cannot be read.
        """
        said = self._file(name)
        percent = said.get(PERCENT)
        return percent / 100 if CANARY in said and isinstance(percent, float) and 0 < percent < 100 else None

    def _file(self, name: str) -> dict[str, str | float]:
        path = self.path / name / ALIASES
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, str | float])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            raise RegistryError(f"cannot read {path}: {error}; restore it, or remove it and set the aliases") from error

    def resolve(self, reference: str) -> Version:
        """The version that `reference` means now.

        Raises:
            UnknownName: there is none, with the names that there are.
            RegistryError: it is gone, or its manifest cannot be read or is another version's.
        """
        name, _, wanted = reference.partition("@")
        versions = self.versions(name)
        if not versions:
            raise UnknownName(no_such("model", name, self.names(), f"{self.path} is empty"))
        wanted, aliases = wanted or CHAMPION, self.aliases(name)
        version = aliases.get(wanted, wanted)
        if version not in versions and wanted in aliases:
            raise RegistryError(f"{name}@{wanted} is version {version}, which is gone; left are: {', '.join(versions)}")
        if version not in versions:
            raise UnknownName(no_such(f"version or alias of {name}", wanted, [*aliases, *versions]))
        folder = self.path / name / version
        manifest = read_manifest(folder)
        if (manifest.name, manifest.version) != (name, version):
            raise RegistryError(f"{folder} holds the manifest of {manifest.name}@{manifest.version}; restore its own")
        return Version(folder, manifest)

    def missing(self, references: Iterable[str]) -> list[str]:
        """Those of `references` that mean nothing here, in order."""
        return [reference for reference in references if not self._has(reference)]

    def manifest(self, reference: str) -> Manifest:
        """What is known of a version. Raises as `resolve`."""
        return self.resolve(reference).manifest

    def verify(self, reference: str) -> Version:
        """Check that every file is the one that was registered. Raises as `resolve`, RegistryError if one is not."""
        version = self.resolve(reference)
        verify_files(version.folder, version.manifest)
        return version

    def load(self, reference: str, threads: int = 1) -> Model:
        """The model, verified, calibrated and ready to call. Raises as `verify`."""
        version = self.resolve(reference)
        return load(version.folder, version.manifest, threads)

    def original(self, reference: str) -> Any:
        """The estimator that was registered, as its own library has it: not calibrated. Raises as `verify`."""
        version = self.resolve(reference)
        return load_original(version.folder, version.manifest)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point `alias` of `name` at `version`, at once for all who look from now on.

        Raises:
            UnknownName: no such version.
            RegistryError: no alias can be called so.
        """
        target = self.resolve(f"{name}@{version}").version
        if not _PART.fullmatch(alias) or alias.isdigit():
            raise RegistryError(f"an alias is letters, digits, '.', '_' and '-', not digits alone: {alias!r}")
        self.change_aliases(name, lambda aliases: aliases | {alias: target})

    def change_aliases(
        self, name: str, change: Callable[[dict[str, str]], dict[str, str]], canary_share: float | None = None
    ) -> None:
        """Put what `change` makes of the aliases of `name` in their place, alone among all who do.

        `canary_share`: what the canary gets from now on; it keeps what it has as long as it is the same version.
        """
        with locked(self.path / name):
            self._write_aliases(name, change(self.aliases(name)), canary_share)

    def remove(self, reference: str) -> Version:
        """Remove one version, which no alias but `previous` may point at. Its number is not given again.

        Raises:
            UnknownName: no such version.
            RegistryError: `reference` is not a version's number, or an alias points at it.
        """
        name, _, wanted = reference.partition("@")
        if not _VERSION.fullmatch(wanted):
            raise RegistryError(f"say which version: {name}@1, not {reference!r}")
        with locked(self.resolve(reference).folder.parent):
            version = self.resolve(reference)
            aliases = self.aliases(name)
            pointing = [alias for alias, target in aliases.items() if target == wanted and alias != PREVIOUS]
            if pointing:
                end = "end it: chorus models rollback" if pointing == [CANARY] else "promote another one first"
                raise RegistryError(f"{version} is the {' and '.join(pointing)} of {name}; {end}")
            if aliases.get(PREVIOUS) == wanted:  # what is gone cannot be gone back to
                self._write_aliases(name, {alias: aliases[alias] for alias in aliases if alias != PREVIOUS})
            remove_version(version.folder)
        return version

    def add(self, manifest: Manifest, files: Mapping[str, bytes]) -> Version:
        """Write `files` as the next version of `manifest.name`, whose version, time and hashes are filled in.

        The first version becomes the champion, later ones the candidate.

        Raises:
            RegistryError: no model can be called so.
        """
        name = manifest.name
        if not valid_name(name):
            raise RegistryError(
                f"a model's name is letters, digits, '.', '_' and '-', in parts with '/' between them, "
                f"and no part is digits alone: {name!r}"
            )
        folder = self.path / name
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            version = str(max(map(int, [*self.versions(name), *removed_versions(folder), "0"])) + 1)
            complete = write_version(folder / version, msgspec.structs.replace(manifest, version=version), files)
            aliases = self.aliases(name)
            self._write_aliases(name, aliases | {CANDIDATE if CHAMPION in aliases else CHAMPION: version})
        return Version(folder / version, complete)

    def register(self, estimator: Any, name: str, x: Any, y: Any = None, **details: Any) -> Version:
        """Compile, check and add a fitted `estimator`; `x` (n, f), `y` (n,) are held-out rows. See `packaged`.

        Raises:
            RegistryError: it cannot be saved in a safe format, or no model can be called so.
        """
        from models.registration import packaged  # what fits and converts models is not needed to read them

        return self.add(*packaged(estimator, name, x, y, **details))

    def _has(self, reference: str) -> bool:
        try:
            self.resolve(reference)
        except UnknownName:
            return False
        return True

    def _write_aliases(self, name: str, aliases: Mapping[str, str], canary_share: float | None = None) -> None:
        said: dict[str, str | float] = dict(aliases)
        before = self._file(name)
        if canary_share is not None:
            said[PERCENT] = canary_share * 100
        elif PERCENT in before and aliases.get(CANARY) == before.get(CANARY):
            said[PERCENT] = before[PERCENT]
        write_atomically(self.path / name / ALIASES, msgspec.json.format(msgspec.json.encode(said)) + b"\n")


def valid_name(name: str) -> bool:
    """Whether a model can be called so: no part leads out of the registry, hides, or looks like a version."""
    return all(_PART.fullmatch(part) and not part.isdigit() and part != ALIASES for part in name.split("/"))


def _folders(path: Path) -> Iterator[str]:
    for root, folders, _ in os.walk(path):
        folders[:] = [folder for folder in folders if valid_name(folder)]
        yield Path(root).relative_to(path).as_posix()
