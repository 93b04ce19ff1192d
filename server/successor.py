"""Which plan follows another: what it takes over, and what it cannot change; no clock, no I/O."""

from collections.abc import Iterable, Iterator

import msgspec

from server.crew import Crew
from server.plan import Plan
from server.settings import PythonSettings

HOT = ("default",)
"""What of `[server]` is read anew by each composition."""
FIXED = ("host", "port", "fronts")
"""What not even fresh processes can change."""


def successor(made: Plan, crews: Iterable[Crew]) -> Plan:
    """`made`, with those of the `crews` that it can use; the later ones first."""
    usable = {(crew.name, crew.made_of): crew.generation for crew in crews}
    generations = {name: usable.get((name, made.matter(name)), made.number) for name in made.workers()}
    return msgspec.structs.replace(made, generations=generations)


def obstacle(old: Plan, new: Plan, *, restart: bool) -> str:
    """Why `new` cannot follow `old`, in one line; nothing if it can."""
    changed = [name for name in old.config.server.__struct_fields__ if _differ(old, new, name) and name not in HOT]
    if fixed := [name for name in changed if name in FIXED]:
        return f"[server] {', '.join(fixed)} cannot be changed while it runs: start another server, and stop this one"
    if restart:
        return ""
    changed = [f"[server] {name}" for name in changed] + ["[debug]"] * (old.config.debug != new.config.debug)
    if changed:
        return f"{', '.join(changed)} can only be changed by fresh processes: chorus reload --restart"
    if stale := list(_stale(old, new)):
        return f"the code of {', '.join(stale)} runs in the server itself: chorus reload --restart"
    return ""


def is_same(old: Plan, new: Plan) -> bool:
    """Whether nothing is to be done."""
    return msgspec.structs.replace(new, number=old.number, generations=old.generations) == old and all(
        old.generation(name) == new.generation(name) for name in new.workers()
    )


def changes(old: Plan, new: Plan) -> Iterator[str]:
    """What becomes different, in a few words each."""
    for name in dict.fromkeys((*old.config.names, *new.config.names)):
        if name not in new.config.names:
            yield f"{name} is gone"
        elif name not in old.config.names:
            yield f"{name} is new"
        elif (was := _version(old, name)) != (now := _version(new, name)):
            yield f"{name} {was or 'split'} -> {now or 'split'}"
        elif _settings(old, name) != _settings(new, name):
            yield f"{name} changed"


def _version(plan: Plan, name: str) -> str:
    return plan.pinned.get(name, "").rpartition("@")[2]


def _settings(plan: Plan, name: str) -> object:
    return plan.config.composites.get(name) or plan.config.backends[name]


def _differ(old: Plan, new: Plan, name: str) -> bool:
    return bool(getattr(old.config.server, name) != getattr(new.config.server, name))


def _stale(old: Plan, new: Plan) -> Iterator[str]:
    """Functions that have been imported by the fronts, and whose file is another now."""
    for name, settings in new.config.backends.items():
        if isinstance(settings, PythonSettings) and settings.inline:
            before = {
                old.pinned[one]
                for one, was in old.config.backends.items()
                if isinstance(was, PythonSettings) and was.inline and was.python == settings.python
            }
            if before and new.pinned[name] not in before:
                yield name
