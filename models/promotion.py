"""Which version of a model is its champion: promotion, by way of a canary or at once, and the way back."""

from models.errors import RegistryError
from models.registry import CANARY, CANDIDATE, CHAMPION, PREVIOUS, Registry, Version


def promote(registry: Registry, reference: str, *, force: bool = False) -> Version:
    """Make a version the champion; `previous` keeps the one before, and a canary has ended.

    Where `reference` names no version it is the canary, if there is one, else the candidate.

    Raises:
        UnknownName: no such version.
        RegistryError: unless `force`, it takes or gives something else than the champion.
    """
    version = _promotable(registry, reference, force=force)
    _crown(registry, version)
    return version


def start_canary(registry: Registry, reference: str, share: float, *, force: bool = False) -> Version:
    """Give a version a `share` of the champion's requests; the same as `promote` where `reference` names no version.

    Raises:
        UnknownName: no such version.
        RegistryError: it is the champion; or, unless `force`, it takes or gives something else.
    """
    if not 0 < share < 1:
        raise RegistryError(
            f"a canary's share is over 0 and under 100 %, got {share:.6g}; for all: chorus models promote"
        )
    version = _promotable(registry, reference, force=force)
    if registry.resolve(version.name).version == version.version:
        raise RegistryError(f"{version} is the champion, and has all requests")
    registry.change_aliases(version.name, lambda aliases: aliases | {CANARY: version.version}, share)
    return version


def end_canary(registry: Registry, name: str) -> str | None:
    """Give all requests to the champion again; which version the canary was, None if there was none.

    Raises:
        UnknownName: no such model.
    """
    version = registry.aliases(registry.resolve(name).name).get(CANARY)
    if version is not None:
        registry.change_aliases(name, lambda aliases: _without(aliases, CANARY))
    return version


def _promotable(registry: Registry, reference: str, *, force: bool) -> Version:
    name, _, wanted = reference.partition("@")
    version = registry.resolve(f"{name}@{wanted or (CANARY if CANARY in registry.aliases(name) else CANDIDATE)}")
    if not force and (change := _interface_change(registry, version)):
        raise RegistryError(f"{version} {change} than the champion; to promote it all the same: --force")
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
    if new.task == "transform" and new.outputs != old.outputs:
        return "gives other columns"
    return "" if new.inputs == old.inputs else "takes other inputs"


def _crown(registry: Registry, version: Version) -> None:
    number = version.version

    def crowned(aliases: dict[str, str]) -> dict[str, str]:
        before = aliases.get(CHAMPION)
        if before == number:
            return _without(aliases, CANARY)
        kept = {alias: target for alias, target in aliases.items() if (alias, target) != (CANDIDATE, number)}
        kept = _without(kept, CANARY)
        return kept | {CHAMPION: number} | ({PREVIOUS: before} if before else {})

    registry.change_aliases(version.name, crowned)


def _without(aliases: dict[str, str], gone: str) -> dict[str, str]:
    return {alias: target for alias, target in aliases.items() if alias != gone}
