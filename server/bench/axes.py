"""From numbers to places: scales, their ticks, and the frame that a plot is drawn in. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from server.bench.markup import Safe, element, text

WIDTH, HEIGHT = 720.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 708.0, 24.0, 214.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers from `low` to `high` at places from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return self.start + share * (self.stop - self.start)


Tick = tuple[float, str]


def upwards(most: float) -> Scale:
    """A vertical scale from 0 to `most`, and a little over."""
    return Scale(0, most * 1.05 or 1.0, BOTTOM, TOP)


def across(low: float, high: float) -> Scale:
    """A horizontal one."""
    return Scale(low, high, LEFT, RIGHT)


def ticks(scale: Scale, about: int = 5) -> list[Tick]:
    """Round numbers on `scale`, `about` so many: 1, 2 or 5 times a power of ten apart."""
    rough = max(scale.high - scale.low, 1e-9) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    first = math.ceil(scale.low / step - 1e-9)
    last = math.floor(scale.high / step + 1e-9)
    return [(number * step, f"{number * step:.6g}") for number in range(first, last + 1)]


def plot(x: Scale, x_ticks: Sequence[Tick], y: Scale, label: str, *drawn: Safe, title: str) -> Safe:
    """What is `drawn`, in a grid with numbers; `label` names the vertical unit, `title` the whole."""
    grid = [
        element("g", _line(LEFT, y.at(value), RIGHT, y.at(value)), _words(LEFT - 8, y.at(value) + 4, words, "end"))
        for value, words in ticks(y)
    ]
    below = [
        element("g", _line(x.at(at), BOTTOM, x.at(at), BOTTOM + 4), _words(x.at(at), BOTTOM + 18, words, "middle"))
        for at, words in x_ticks
    ]
    unit = _words(LEFT - 8, 12, label, "end")
    return element(
        "svg", element("title", text(title)), element("g", *grid, *below, unit, class_="grid"), *drawn,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", role="img",
    )  # fmt: skip


def polyline(points: Sequence[tuple[float, float]], class_: str) -> Safe:
    """A line through places."""
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)


def dot(x: float, y: float, words: str, class_: str) -> Safe:
    """A point that says `words` when pointed at."""
    return element("circle", element("title", text(words)), cx=x, cy=y, r=3.0, class_=class_)


def box(left: float, top: float, right: float, bottom: float, words: str, class_: str) -> Safe:
    """A rectangle that says `words` when pointed at."""
    width, height = max(right - left, 0.0), max(bottom - top, 0.0)
    said = element("title", text(words))
    return element("rect", said, x=left, y=top, width=width, height=height, class_=class_)


def limit_line(y: Scale, objective_ms: float | None) -> list[Safe]:
    """The objective as a line; none if it is out of sight."""
    if objective_ms is None or objective_ms > y.high:
        return []
    height = y.at(objective_ms)
    said = element("title", text(f"objective: p99 within {objective_ms:g} ms"))
    return [element("line", said, x1=LEFT, y1=height, x2=RIGHT, y2=height, class_="limit")]


def _line(x1: float, y1: float, x2: float, y2: float) -> Safe:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2)


def _words(x: float, y: float, words: str, anchor: str) -> Safe:
    return element("text", text(words), x=x, y=y, text_anchor=anchor)
