"""Progress without a terminal is a line for each thing done, and none for what only begins."""

import io

from rich.console import Console

from server.commands.steps import steps


def test_each_thing_done_is_a_line() -> None:
    out = io.StringIO()
    with steps(Console(file=out), 2) as progress:
        progress.begin("digits/knn", "fit")
        progress.done("digits/knn", "trained")
        progress.begin("digits", "evaluate")
        progress.done("digits", "evaluated")
    assert out.getvalue() == "trained digits/knn\nevaluated digits\n"


def test_on_a_terminal_the_bar_leaves_nothing_behind() -> None:
    out = io.StringIO()
    with steps(Console(file=out, force_terminal=True, width=100), 2) as progress:
        progress.begin("digits/knn", "fit")
        progress.done("digits/knn", "trained")
    said = out.getvalue()
    assert "digits/knn: fit" in said
    assert "trained" not in said
    assert said.endswith("\x1b[2K")  # the line is erased
