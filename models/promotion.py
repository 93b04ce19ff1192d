"""Which version of a model is its champion: promotion, and the way back."""

from models.errors import RegistryError
from models.registry import CANDIDATE, CHAMPION, PREVIOUS, Registry, Version


def promote(registry: Registry, reference: str, *, force: bool = False) -> Version:
    """Make a version the champion, the candidate where `reference` names none; `previous` keeps the one before.

    Raises:
        UnknownName: no such version.
        RegistryError: unless `force`, it takes or gives something else than the champion.
    """
    name, _, wanted = reference.partition("@")
    version = registry.resolve(f"{name}@{wanted or CANDIDATE}")
    if not force and (change := _interface_change(registry, version)):
        raise RegistryError(f"{version} {change} than the champion; to promote it all the same: --force")
    _crown(registry, version)
    return version


def rollback(registry: Registry, name: str) -> Version:
    """Make the previous champion the champion again; a second rollback undoes the first.

    Raises:
        UnknownName: no such model.
        RegistryError: there is no previous champion.
    """
    if PREVIOUS not in registry.aliases(registry.resolve(name).name):
        raise RegistryError(f"{name} has no previous champion: none was ever promoted over another")
    version = registry.resolve(f"{name}@{PREVIOUS}")
    _crown(registry, version)
    return version


def _interface_change(registry: Registry, version: Version) -> str:
    """What callers of the champion would notice, if anything."""
    if CHAMPION not in registry.aliases(version.name):
        return ""
    new, old = version.manifest.signature, registry.manifest(version.name).signature
    if (new.task, new.labels) != (old.task, old.labels):
        return f"is for {new.task} {list(new.labels)}, not {old.task} {list(old.labels)}: something else"
    return "" if new.inputs == old.inputs else "takes other inputs"


def _crown(registry: Registry, version: Version) -> None:
    number = version.version

    def crowned(aliases: dict[str, str]) -> dict[str, str]:
        before = aliases.get(CHAMPION)
        if before == number:
            return aliases
        kept = {alias: target for alias, target in aliases.items() if (alias, target) != (CANDIDATE, number)}
        return kept | {CHAMPION: number} | ({PREVIOUS: before} if before else {})

    registry.change_aliases(version.name, crowned)
