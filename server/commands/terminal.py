"""What the commands print to."""

from rich.console import Console


def wide_console() -> Console:
    """Standard output: as wide as the terminal, and wide enough for whole lines where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)
