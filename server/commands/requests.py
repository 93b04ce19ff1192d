"""`chorus requests`."""

import click

from server.commands.client import Client, echo_json, json_option, tell_missing, url_option
from server.commands.terminal import wide_console
from server.commands.timeline import drawing_of, table_of


@click.command()
@click.argument("request_id", metavar="[ID]", required=False)
@url_option
@json_option
@click.option("--failed", is_flag=True, help="Only those without an answer.")
@click.option("--model", metavar="NAME", help="Only those to this backend or ensemble.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, newest first.")
def requests(
    request_id: str | None, url: str | None, as_json: bool, failed: bool, model: str | None, limit: int
) -> None:
    """Show the last requests of a running server; with ID, one as a timeline.

    The timeline says who was asked, when each answered, what each said about the first rows and what decided the
    answer (▲). The server keeps the last 1,000 requests, and never what was asked.

    \b
    Examples:
      chorus requests
      chorus requests --failed
      chorus requests 01JD0Z3V6Q5R8XK2M4N7P9T1WB
      curl -si http://127.0.0.1:8080/predict -d ... | grep -i x-request-id
    """
    client, console = Client(url), wide_console()
    if request_id is None:
        answer = client.get(
            "debug", "requests", query={"limit": limit, "model": model, "status": "failed" if failed else None}
        )
    else:
        answer = client.get("debug", "requests", request_id)
    if as_json:
        echo_json(answer)
        return
    tell_missing(answer)
    if request_id is not None:
        console.print(drawing_of(answer, bars=console.is_terminal))
    elif answer["requests"]:
        console.print(table_of(answer["requests"]))
    else:
        click.echo(f"none of the last {answer['kept']} requests is such" if answer["kept"] else "no request yet")
