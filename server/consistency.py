"""What the tables of chorus.toml must be to each other, as far as that can be told without any model."""

import graphlib
from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from urllib.parse import SplitResult, urlsplit

from aggregator.rules import DEFAULT_QUORUM
from server.settings import Config, EnsembleSettings, PythonSettings, RemoteSettings, ServerSettings
from server.tables import Mistake, shown, shown_key, unknown

SHORTEST_HUNG_MS = 1000


def mistakes_of(config: Config, backends: Collection[str], ensembles: Collection[str]) -> Iterator[Mistake]:
    """What does not fit together; the names are all that the file has, those of unreadable tables too."""
    known = [*ensembles, *backends]
    if not known:
        yield Mistake("", "", "nothing to serve; add a [backends.NAME]")
    elif config.server.default is not None and config.server.default not in known:
        yield Mistake("server", "default", unknown("backend or ensemble", config.server.default, known))
    yield from _of_server(config.server)
    for name in ensembles:
        if name in backends:
            yield Mistake(f"ensembles.{shown_key(name)}", "", "there is a backend of this name, too")
    for name, backend in config.backends.items():
        if isinstance(backend, RemoteSettings):
            yield from _of_remote(f"backends.{shown_key(name)}", backend)
            yield from _of_shares(f"backends.{shown_key(name)}", backend, config.server.fronts)
        elif isinstance(backend, PythonSettings):
            yield from _of_declared(f"backends.{shown_key(name)}", backend)
            if backend.example and len(backend.example) != len(backend.features):
                expected = f"expected {len(backend.features)} values, one for each feature, got {len(backend.example)}"
                yield Mistake(f"backends.{shown_key(name)}", "example", expected)
    for name, ensemble in config.ensembles.items():
        yield from _of_ensemble(f"ensembles.{shown_key(name)}", ensemble, known)
    yield from _of_cycles(config.ensembles)


def _of_server(server: ServerSettings) -> Iterator[Mistake]:
    if 0 < server.hung_ms < SHORTEST_HUNG_MS:
        expected = f"expected 0, or at least {SHORTEST_HUNG_MS}"
        yield Mistake("server", "hung_ms", f"{expected}: a sign of life comes twice a second")


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


def _of_ensemble(table: str, ensemble: EnsembleSettings, known: Collection[str]) -> Iterator[Mistake]:
    members = dict.fromkeys(ensemble.members)
    if not members:
        yield Mistake(table, "members", "expected at least one")
        return
    yield from _repeated(table, "members", ensemble.members)
    for name in members:
        if name not in known:
            yield Mistake(table, "members", unknown("backend or ensemble", name, known))
    for key, names in (("weights", ensemble.weights), ("required", ensemble.required)):
        for name in names:
            if name not in members:
                yield Mistake(table, key, unknown("member", name, members))
    yield from _repeated(table, "required", ensemble.required)
    if ensemble.quorum is not None and ensemble.quorum > len(members):
        yield Mistake(table, "quorum", f"{ensemble.quorum} is more than there are members ({len(members)})")


def _repeated(table: str, key: str, names: Collection[str]) -> Iterator[Mistake]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield Mistake(table, key, f"{shown(name)} is there twice")
        seen.add(name)


def _of_cycles(ensembles: Mapping[str, EnsembleSettings]) -> Iterator[Mistake]:
    """One mistake for each cycle, until none is left."""
    members = {name: {one for one in ensemble.members if one in ensembles} for name, ensemble in ensembles.items()}
    while True:
        try:
            graphlib.TopologicalSorter(members).prepare()
        except graphlib.CycleError as error:
            cycle: list[str] = error.args[1][::-1]  # each has the next one as a member; the last is the first
            text = f"an ensemble cannot be its own member: {' > '.join(map(shown_key, cycle))}"
            yield Mistake(f"ensembles.{shown_key(cycle[0])}", "members", text)
            members[cycle[0]].discard(cycle[1])
        else:
            return


def innermost_first(ensembles: Mapping[str, EnsembleSettings]) -> list[str]:
    """So that an ensemble comes after its members; those that a cycle holds are left out."""
    ordered: list[str] = []
    under_way: set[str] = set()

    def visit(name: str) -> bool:
        if name not in ensembles or name in ordered:
            return True
        if name in under_way:
            return False
        under_way.add(name)
        complete = [visit(member) for member in ensembles[name].members]
        if all(complete):
            ordered.append(name)
        return name in ordered

    for name in ensembles:
        visit(name)
    return ordered


def warnings_of(config: Config) -> list[str]:
    """The doubts about `config`, one line each."""
    return [str(doubt) for doubt in doubts_of(config)]


def doubts_of(config: Config) -> Iterator[Mistake]:
    """What is allowed, and probably not meant."""
    fronts = config.server.fronts
    for name, backend in config.backends.items():
        if backend.limit < fronts:
            text = f"{backend.limit} cannot be shared by {fronts} fronts; each of them may have one call under way"
            yield Mistake(f"backends.{shown_key(name)}", "limit", text)
    for name, ensemble in config.ensembles.items():
        yield from _warnings(name, ensemble, config)


def _warnings(name: str, ensemble: EnsembleSettings, config: Config) -> Iterator[Mistake]:
    table, longest = f"ensembles.{shown_key(name)}", config.server.max_timeout_ms
    for member in _blocking(ensemble):
        text = f"without {member!r} alone there is no quorum, whatever the others say: its weight is too large a share"
        yield Mistake(table, "weights", text)
    for member in ensemble.members if ensemble.rule != "hard" else ():
        backend = config.backends.get(member)
        if isinstance(backend, RemoteSettings) and backend.gives == "labels":
            text = f'{member!r} gives labels only, which count as certain; they are made for rule = "hard"'
            yield Mistake(table, "rule", text)
    if ensemble.timeout_ms > longest:
        yield Mistake(table, "timeout_ms", f"{ensemble.timeout_ms:g} is capped by [server] max_timeout_ms, {longest:g}")


def _blocking(ensemble: EnsembleSettings) -> list[str]:
    """Members whose weight alone can block the quorum, where the count of members would not."""
    weights = {member: Fraction(repr(ensemble.weights.get(member, 1.0))) for member in ensemble.members}
    total, members = sum(weights.values()), len(weights)
    count = ensemble.quorum or DEFAULT_QUORUM.get(ensemble.rule or "", members // 2 + 1)
    if members - 1 < count:
        return []
    if ensemble.quorum_weight is not None:
        needed = Fraction(repr(ensemble.quorum_weight)) * total
        return [member for member, weight in weights.items() if total - weight < needed]
    if ensemble.quorum is not None or ensemble.rule in DEFAULT_QUORUM:
        return []
    return [member for member, weight in weights.items() if 2 * weight >= total]
