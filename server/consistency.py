"""What the tables of chorus.toml must be to each other, as far as that can be told without any model."""

import graphlib
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

from models.columns import specs_of
from models.rows import width_of
from server.composites import kind_of
from server.composites.kind import CompositeSettings
from server.repetition import mistakes_of_repetition
from server.settings import Config, PythonSettings, RemoteSettings, ServerSettings
from server.tables import Mistake, shown, shown_key, unknown

SHORTEST_HUNG_MS = 1000


def mistakes_of(config: Config, names: Mapping[str, Collection[str]]) -> Iterator[Mistake]:
    """What does not fit together; `names` are all that the file has by their table, those of unreadable tables too."""
    known = list(dict.fromkeys(name for table in names.values() for name in table))
    if not known:
        yield Mistake("", "", "nothing to serve; add a [backends.NAME]")
    elif config.server.default is not None and config.server.default not in known:
        yield Mistake("server", "default", unknown("name", config.server.default, known))
    yield from _of_server(config.server)
    yield from _of_names(names)
    for name, backend in config.backends.items():
        if isinstance(backend, RemoteSettings):
            yield from _of_remote(f"backends.{shown_key(name)}", backend)
            yield from _of_shares(f"backends.{shown_key(name)}", backend, config.server.fronts)
        elif isinstance(backend, PythonSettings):
            yield from _of_declared(f"backends.{shown_key(name)}", backend)
            width = sum(map(width_of, specs_of(backend.features, nullable=False)))
            if backend.example and len(backend.example) != width:
                expected = f"expected {width} values, one for each feature, got {len(backend.example)}"
                yield Mistake(f"backends.{shown_key(name)}", "example", expected)
    yield from mistakes_of_repetition(config.backends)
    for name, settings in config.composites.items():
        yield from _of_composite(name, settings, known)
    yield from _of_cycles(config.composites)


def _of_names(names: Mapping[str, Collection[str]]) -> Iterator[Mistake]:
    """A name is one thing's alone, whatever its table."""
    owners: dict[str, str] = {}
    for table in ("backends", *names):
        for name in names.get(table, ()):
            owner = owners.setdefault(name, table)
            if owner != table:
                other = "a backend" if owner == "backends" else f"[{owner}.{shown_key(name)}]"
                yield Mistake(f"{table}.{shown_key(name)}", "", f"there is {other} of this name, too")


def _of_composite(name: str, settings: CompositeSettings, known: Collection[str]) -> Iterator[Mistake]:
    kind, table = kind_of(settings), table_of(name, settings)
    for key, text in kind.mistakes(settings):
        yield Mistake(table, key, text)
    for key, part in dict.fromkeys(kind.parts(settings)):
        if part not in known:
            yield Mistake(table, key, unknown("name", part, known))


def _of_server(server: ServerSettings) -> Iterator[Mistake]:
    if 0 < server.hung_ms < SHORTEST_HUNG_MS:
        expected = f"expected 0, or at least {SHORTEST_HUNG_MS}"
        yield Mistake("server", "hung_ms", f"{expected}: a sign of life comes twice a second")
    for less, more in (("min_in_flight", "max_in_flight"), ("max_body_bytes", "max_bodies_bytes")):
        if getattr(server, less) > getattr(server, more):
            yield Mistake("server", less, f"{getattr(server, less)} is more than {more}, {getattr(server, more)}")


def _of_remote(table: str, remote: RemoteSettings) -> Iterator[Mistake]:
    if not remote.urls:
        yield Mistake(table, "url", "expected at least one address")
    for url in remote.urls:
        if wrong := _wrong_url(url):
            yield Mistake(table, "url", wrong)
    yield from _repeated(table, "url", remote.urls)
    yield from _of_declared(table, remote)
    yield from _of_tensors(table, remote)


def _of_shares(table: str, remote: RemoteSettings, fronts: int) -> Iterator[Mistake]:
    """A rate limit is kept exactly by giving each front its part, which cannot be nothing."""
    if remote.throttle is not None and remote.throttle.rate < fronts:
        text = f"a rate of {remote.throttle.rate} cannot be shared by {fronts} fronts; take more of a longer period_s"
        yield Mistake(table, "throttle", text)


def _of_tensors(table: str, remote: RemoteSettings) -> Iterator[Mistake]:
    for feature in remote.inputs:
        if feature not in remote.features:
            yield Mistake(table, "inputs", unknown("feature", feature, remote.features))
    if remote.inputs and (missing := [one for one in remote.features if one not in remote.inputs]):
        yield Mistake(table, "inputs", f"no tensor for {shown(missing[0])}; name one for each feature, or none")
    yield from _repeated(table, "inputs", list(remote.inputs.values()))
    if remote.gives == "labels" and remote.task != "classification":
        yield Mistake(table, "gives", f"labels: not for {remote.task}")
    if remote.gives == "labels" and remote.temperature is not None:
        yield Mistake(table, "temperature", "labels without probabilities cannot be calibrated")


def _of_declared(table: str, backend: RemoteSettings | PythonSettings) -> Iterator[Mistake]:
    """What a backend that is not in the registry is said to take and to give."""
    if not backend.features:
        yield Mistake(table, "features", "expected at least one")
    yield from _repeated(table, "features", backend.features)
    yield from _repeated(table, "labels", backend.labels)
    yield from _repeated(table, "outputs", backend.outputs)
    if backend.task == "transform" and not backend.outputs:
        yield Mistake(table, "outputs", "a transform needs at least one")
    if backend.task != "transform" and backend.outputs:
        yield Mistake(table, "outputs", f"not for {backend.task}, whose outputs are known")
    if backend.task == "classification":
        if len(backend.labels) < 2:
            yield Mistake(table, "labels", "a classifier needs at least two, in the order of its probabilities")
        return
    if backend.labels:
        yield Mistake(table, "labels", f"not for {backend.task}")
    if backend.temperature is not None:
        yield Mistake(table, "temperature", f"not for {backend.task}")


def _wrong_url(url: str) -> str:
    """What is wrong with the address of a server, if anything."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError as error:
        return f"{str(error).lower()}, got {shown(url)}"
    if "@" in parts.netloc:
        return "a password or a user's name does not belong into an address"  # and is not repeated here
    if parts.scheme not in ("http", "https") or not parts.hostname or _has_more(parts):
        return f"expected an address such as 'http://10.0.0.5:8000', got {shown(url)}"
    return ""


def _has_more(parts: SplitResult) -> bool:
    return bool(parts.query or parts.fragment) or not parts.geturl().isprintable() or " " in parts.geturl()


def _repeated(table: str, key: str, names: Collection[str]) -> Iterator[Mistake]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield Mistake(table, key, f"{shown(name)} is there twice")
        seen.add(name)


def _of_cycles(composites: Mapping[str, CompositeSettings]) -> Iterator[Mistake]:
    """One mistake for each cycle, until none is left."""
    parts = {name: {part for part in parts_of(one) if part in composites} for name, one in composites.items()}
    while True:
        try:
            graphlib.TopologicalSorter(parts).prepare()
        except graphlib.CycleError as error:
            cycle: list[str] = error.args[1][::-1]  # each has the next one as a part; the last is the first
            settings = composites[cycle[0]]
            key = next(key for key, part in kind_of(settings).parts(settings) if part == cycle[1])
            text = f"nothing can be a part of itself: {' > '.join(map(shown_key, cycle))}"
            yield Mistake(table_of(cycle[0], settings), key, text)
            parts[cycle[0]].discard(cycle[1])
        else:
            return


def parts_of(settings: CompositeSettings) -> list[str]:
    """The names of all parts, each once."""
    return list(dict.fromkeys(part for _, part in kind_of(settings).parts(settings)))


def table_of(name: str, settings: CompositeSettings) -> str:
    """Where in the file it stands."""
    return f"{kind_of(settings).table}.{shown_key(name)}"


def innermost_first(composites: Mapping[str, CompositeSettings]) -> list[str]:
    """So that a composite comes after its parts; those that a cycle holds are left out."""
    ordered: list[str] = []
    under_way: set[str] = set()

    def visit(name: str) -> bool:
        if name not in composites or name in ordered:
            return True
        if name in under_way:
            return False
        under_way.add(name)
        complete = [visit(part) for part in parts_of(composites[name])]
        if all(complete):
            ordered.append(name)
        return name in ordered

    for name in composites:
        visit(name)
    return ordered


def warnings_of(config: Config) -> list[str]:
    """The doubts about `config`, one line each."""
    return [str(doubt) for doubt in doubts_of(config)]


def doubts_of(config: Config) -> Iterator[Mistake]:
    """What is allowed, and probably not meant."""
    fronts, longest = config.server.fronts, config.server.max_timeout_ms
    for name, backend in config.backends.items():
        if backend.limit < fronts:
            text = f"{backend.limit} cannot be shared by {fronts} fronts; each of them may have one call under way"
            yield Mistake(f"backends.{shown_key(name)}", "limit", text)
    for name, settings in config.composites.items():
        table = table_of(name, settings)
        for key, text in kind_of(settings).doubts(settings, config):
            yield Mistake(table, key, text)
        if settings.timeout_ms is not None and settings.timeout_ms > longest:
            text = f"{settings.timeout_ms:g} is capped by [server] max_timeout_ms, {longest:g}"
            yield Mistake(table, "timeout_ms", text)
