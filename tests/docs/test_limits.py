"""The limits that docs/operations.md lists are those that there are."""

import re
from pathlib import Path

from msgspec.structs import fields

from server.settings import BackendSettings, ServerSettings

PAGE = Path(__file__).parents[2] / "docs/operations.md"
ROW = re.compile(r"^\| [^|]+ \| ([^|]+) \| `\[(server|backends\.NAME)\] (\w+)` \|", re.MULTILINE)
NO_LIMITS = {"host", "port", "default", "access_log", "loop", "fronts", "brown_out"}
IN_WORDS = {"max_connections", "retry"}


def test_every_limit_of_the_server_is_on_the_page_with_its_default() -> None:
    shown = {(table, key): default for default, table, key in ROW.findall(PAGE.read_text())}
    defaults = {
        (table, field.name): "none" if field.default is None else f"{field.default:.0f}"
        for table, struct in (("server", ServerSettings), ("backends.NAME", BackendSettings))
        for field in fields(struct)
        if isinstance(field.default, int | float | None) and not isinstance(field.default, bool)
    }
    assert {key for table, key in shown if table == "server"} == {
        field.name for field in fields(ServerSettings)
    } - NO_LIMITS
    for place, default in shown.items():
        if place[1] not in IN_WORDS:
            assert default == defaults[place], place
