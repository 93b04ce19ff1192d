"""What a scenario found, as a section of Markdown; and such sections in benchmarks/README.md, each in its place."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.bench import Result, Scenario
from benchmarks.table import claims_table


def section(scenario: Scenario, found: Result | str, *about: str) -> str:
    """The tables of one scenario, or why there are none. `about`: paragraphs on where and how it was measured."""
    told = [f"**Failed**: {found}"] if isinstance(found, str) else [claims_table(found.claims), found.details]
    sentence = f"{scenario.about[0].upper()}{scenario.about[1:]}."
    return "\n\n".join(part for part in (f"### {scenario.name}", sentence, *about, *told) if part)


def write_sections(path: Path, sections: Mapping[str, str]) -> None:
    """Put each section between its marks in the file at `path`."""
    text = path.read_text()
    for name, written in sections.items():
        text = replaced(text, name, written)
    path.write_text(text)


def replaced(text: str, name: str, written: str) -> str:
    """`text` with `written` between the marks of `name`.

    Raises:
        ValueError: it has no such marks.
    """
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"no place for {name}: the file needs the lines {begin.strip()} and {end.strip()}")
    return f"{before}{begin}{written}{end}{after}"
