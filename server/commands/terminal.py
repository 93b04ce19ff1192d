"""What the commands print to."""

from rich.console import Console


def wide_console(*, stderr: bool = False) -> Console:
    """Standard output, or error: as wide as the terminal, and wide enough for whole lines where there is none."""
    console = Console(highlight=False, stderr=stderr)
    return console if console.is_terminal else Console(highlight=False, width=200, stderr=stderr)
