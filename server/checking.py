"""What is wrong with a configuration, as far as its file and the registry show: no model is loaded, nobody is asked."""

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from backends.served import Served
from models.deadline import Deadline
from models.errors import ChorusError, RegistryError, Unverified
from models.manifest import verify_files
from models.registry import CANARY, CHAMPION, Registry, Version
from models.runtimes.python import fingerprint
from models.types import InferRequest, InferResponse, Signature
from server.canaries import with_canaries
from server.composites import kind_of
from server.composites.kind import Context, Misfit
from server.composites.serving import composite
from server.composites.split import KIND as SPLIT
from server.composites.split import SplitSettings
from server.config import Draft
from server.consistency import doubts_of, innermost_first, parts_of, table_of
from server.findings import Findings
from server.plan import local_backends
from server.settings import Config, PythonSettings
from server.signatures import declared
from server.tables import Mistake, shown_key, unknown

TRAIN = "for the built-in models: chorus train --missing"


def findings_of(draft: Draft) -> Findings:
    """All that can be told before anything starts; of the models' files only that they are there."""
    config = draft.config
    with suppress(RegistryError):  # which is told of the backend
        config = with_canaries(config, Registry(Path(config.registry.path)))
    versions, missing = _versions(config)
    signatures = {name: version.manifest.signature for name, version in versions.items()}
    for name, settings in config.backends.items():
        if (of := declared(settings)) is not None:
            signatures[name] = of
    found = Findings(list(draft.mistakes))
    errors = [*missing, *_of_functions(config), *_of_canary_keys(draft.config, signatures)]
    errors += _of_composites(config, signatures)
    found.add(
        Findings([_in_the_file(error, draft.config) for error in errors], list(doubts_of(draft.config))),
        str(draft.path),
    )
    return found


def _of_canary_keys(config: Config, signatures: Mapping[str, Signature]) -> Iterator[Mistake]:
    """Keys that no canary could be split by, whether there is one now or not."""
    for name, settings in local_backends(config).items():
        if settings.canary_key is None or name not in signatures:
            continue
        parts = {name: unasked(name, signatures[name])}
        split = SplitSettings(shares={name: 1.0}, key=settings.canary_key)
        faults = list(SPLIT.mistakes(split))
        try:
            SPLIT.make(name, split, parts, Context())
        except Misfit as error:
            faults += error.faults
        yield from (Mistake(f"backends.{shown_key(name)}", "canary_key", text) for _, text in faults)


def _in_the_file(mistake: Mistake, config: Config) -> Mistake:
    """A mistake about a canary as one about the backend whose it is: the file has nothing else."""
    for name in config.backends:
        place = f"backends.{shown_key(name)}"
        if mistake.table in (f"backends.{shown_key(f'{name}@{CHAMPION}')}", f"splits.{shown_key(name)}"):
            return replace(mistake, table=place, key="canary_key" if mistake.key == "key" else "model")
        if mistake.table == f"backends.{shown_key(f'{name}@{CANARY}')}":
            return replace(mistake, table=place, text=f"its canary: {mistake.text}")
    return mistake


def damages_of(config: Config) -> Iterator[Mistake]:
    """Models whose files are not what was registered. Reads all of them."""
    registry = Registry(Path(config.registry.path))
    try:
        whole = with_canaries(config, registry)
    except RegistryError:  # which `findings_of` tells
        return
    for name, settings in local_backends(whole).items():
        try:
            version = registry.resolve(settings.model)
        except ChorusError:  # which `findings_of` tells
            continue
        try:
            verify_files(version.folder, version.manifest)
        except RegistryError as error:
            yield _in_the_file(_of_model(name, str(error)), config)


def _versions(config: Config) -> tuple[dict[str, Version], list[Mistake]]:
    """What the references of `config` mean now, by backend."""
    registry = Registry(Path(config.registry.path))
    versions: dict[str, Version] = {}
    missing: list[Mistake] = []
    for name, settings in local_backends(config).items():
        try:
            versions[name] = registry.resolve(settings.model)
        except RegistryError as error:
            missing.append(_of_model(name, str(error)))
        except ChorusError as error:
            built_in = not registry.versions(settings.model.partition("@")[0]) and "did you mean" not in str(error)
            missing.append(_of_model(name, f"{error}; {TRAIN}" if built_in else str(error)))
    return versions, missing


def _of_functions(config: Config) -> Iterator[Mistake]:
    """Functions of the user's whose module is nowhere. Nothing is imported, so that no code of theirs runs."""
    for name, settings in config.backends.items():
        if not isinstance(settings, PythonSettings):
            continue
        module = settings.python.partition(":")[0]
        here = fingerprint(settings.python, Path(settings.path)) != "0"
        if not here and find_spec(module.partition(".")[0]) is None:
            text = f"no module {module!r} in {settings.path}, nor one that is installed; name its folder with path"
            yield Mistake(f"backends.{shown_key(name)}", "python", text)
        elif (names := names_in(settings)) is not None and settings.python.partition(":")[2] not in names:
            text = unknown("function or class", settings.python.partition(":")[2], sorted(names))
            yield Mistake(f"backends.{shown_key(name)}", "python", text)


def names_in(settings: PythonSettings) -> set[str] | None:
    """What the module of `settings` defines, read from its text; None where that cannot be told so."""
    path = Path(settings.path, *settings.python.partition(":")[0].split(".")).with_suffix(".py")
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif not isinstance(node, ast.Expr | ast.AnnAssign):
            return None  # an `if`, a `try`: it may define anything
    return None if "*" in names else names


def _of_model(name: str, text: str) -> Mistake:
    return Mistake(f"backends.{shown_key(name)}", "model", text)


def _of_composites(config: Config, signatures: Mapping[str, Signature]) -> Iterator[Mistake]:
    """Whose parts and settings do not fit together: they are composed, of parts that cannot be asked."""
    served = {name: unasked(name, signature) for name, signature in signatures.items()}
    context = Context()
    for name in innermost_first(config.composites):
        settings = config.composites[name]
        parts = parts_of(settings)
        if not (parts and all(part in served for part in parts)) or any(kind_of(settings).mistakes(settings)):
            continue  # which is a mistake of its own
        try:
            served[name] = composite(name, settings, served, context)
        except Misfit as error:
            for key, text in error.faults:
                yield Mistake(table_of(name, settings), key, text)


def unasked(name: str, signature: Signature) -> Served:
    """A backend as far as its signature goes."""

    async def nobody(_request: InferRequest, _deadline: Deadline) -> InferResponse:
        raise Unverified(name)

    return Served(name, nobody, signature, version="", timeout=1.0)
