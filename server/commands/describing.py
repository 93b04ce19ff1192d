"""The options with which a user says of a model's file what it does not say itself."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.types import Signature, TensorSpec

if TYPE_CHECKING:
    from models.admission import Application

KEYS = ("labels", "features", "outputs", "task", "check", "nullable", "temperature")


def _listed(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (value or "").split(",")) if value else ()
    if "" in names or len(set(names)) < len(names):
        raise click.BadParameter(f"expected names with commas between them, each once, got {value!r}")
    return names


_OPTIONS = (
    click.option("--labels", callback=_listed, help="The labels, in the order of the model's probabilities: a,b."),
    click.option("--features", callback=_listed, help="The names of its columns; name:DATATYPE where not numbers."),
    click.option("--outputs", callback=_listed, help="The names of the columns that a transform gives."),
    click.option(
        "--task", type=click.Choice(["classification", "regression", "transform"]), help="Where the file does not say."
    ),
    click.option(
        "--check",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A CSV of rows to try it on, by column name; a column `label` or `target` is the truth.",
    ),
    click.option("--nullable", is_flag=True, help="A number may be missing: null in JSON, NaN for the model."),
    click.option("--temperature", type=click.FloatRange(0.2, 5), help="Divides the logarithms of its probabilities."),
)


def describing(command: Callable[..., None]) -> Callable[..., None]:
    """Pass `command` what is said of a file: a value for each of `KEYS`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def application(name: str, file: Path, said: Mapping[str, Any]) -> "Application":
    """The model in `file`, to be registered as `name`, and what is `said` of it."""
    from models.admission import Application

    check = said["check"]
    return Application(name=name, file=str(file), **{**said, "check": None if check is None else str(check)})


def takes(signature: Signature) -> str:
    """What a model takes, in one line."""
    return ", ".join(map(_input, signature.inputs))


def gives(signature: Signature) -> str:
    """What a model gives, in one line."""
    given = tuple(map(_input, signature.outputs)) if signature.task == "transform" else signature.labels
    return f"{signature.task}{': ' if given else ''}{', '.join(given)}"


def _input(spec: TensorSpec) -> str:
    columns = f" ({', '.join(spec.features)})" if spec.features and spec.features != (spec.name,) else ""
    return f"{spec.name} {spec.datatype} {list(spec.shape)}{columns}"
