"""A rule of the user's own, at a dotted path: `my_rules:Cautious`. Whatever it does, it cannot do more than fail.

It runs on the event loop, so it must be quick. It is handed arrays that it cannot write to.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from models.answers import validated
from models.errors import InvalidAnswer, RuleFailed
from models.names import no_such
from models.runtimes.base import one_line
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature, Task

METHODS = ("combine", "settled")


class CustomRule:
    """The class at `path`, made with the number of classes, 1 for a regression; `early` only if it says so itself.

    Raises:
        ValueError: there is no such class, it cannot be made, or it lacks a method.
    """

    def __init__(self, path: str, task: Task, classes: int, folder: Path | None = None) -> None:
        self._path = path
        self._rule = _made(path, 1 if task == "regression" else classes, folder)
        self._signature = Signature(task, (), (), tuple(map(str, range(classes))))
        self.early = getattr(self._rule, "early", False) is True

    def combine(self, scores: Array, weights: Array) -> Array:
        """What the class says, checked.

        Raises:
            RuleFailed: it raised, or gave another shape, NaN, infinities, or no distribution.
        """
        answer = self._ask("combine", scores, weights)
        output = PROBABILITIES if self._signature.labels else PREDICTIONS
        try:
            checked = validated({output: answer}, self._signature, scores.shape[1])[output]
        except InvalidAnswer as error:
            raise RuleFailed(f"combine of the rule {self._path}: {error}") from error
        return np.array(checked.reshape(scores.shape[1:]))  # a copy: it may be a view of votes that are still coming

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        """What the class says, checked.

        Raises:
            RuleFailed: it raised, or gave anything but one bool per row.
        """
        answer = self._ask("settled", scores, weights, outstanding)
        if answer.dtype != np.bool_ or answer.shape != outstanding.shape:
            got = f"{answer.dtype} {answer.shape}"
            raise RuleFailed(f"settled of the rule {self._path} must give bool {outstanding.shape}, got {got}")
        return answer

    def _ask(self, method: str, *arrays: Array) -> Array:
        try:
            return np.asarray(getattr(self._rule, method)(*map(_read_only, arrays)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # even an exit: nothing in here awaits, so no cancellation is lost
            raise RuleFailed(f"{method} of the rule {self._path} raised {type(error).__name__}") from error


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _made(path: str, classes: int, folder: Path | None) -> Any:
    module_name, _, name = path.partition(":")
    if folder is not None and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    where = f"{path!r} in {folder}" if folder is not None else repr(path)
    try:
        module = import_module(module_name)
        kind = getattr(module, name, None)
        made = None if kind is None else kind(classes)
    except (Exception, SystemExit) as error:  # it is the user's code, which may do anything
        raise ValueError(f"cannot make {where}: {one_line(error)}") from error
    if kind is None:
        classes_there = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise ValueError(f"{where}: {no_such('class', name, classes_there)}")
    if lacking := [method for method in METHODS if not callable(getattr(made, method, None))]:
        raise ValueError(f"{where} lacks the method {' and '.join(lacking)}")
    return made
