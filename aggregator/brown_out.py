"""Doing without members that are not needed for an answer, before anyone is refused one; no clock: `now` in seconds.

The idea is of Klein, Maggio, Årzén and Hernández-Rodriguez, "Brownout: Building More Robust Cloud Applications" (2014).
"""

STEP = 0.25  # of the members that can be done without
UP_SECONDS = 0.1  # from one step to the next at the earliest,
DOWN_SECONDS = 0.5  # and without pressure from one step back to the next


class BrownOut:
    """The share of those members that are not asked now: more while there is pressure, by and by none without it.

    `begun`: how many times it has.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.begun = 0
        self._level = 0.0
        self._pressed_at = 0.0
        self._stepped_at = 0.0

    def share(self, now: float) -> float:
        """From 0, when all are asked, to 1, when only those are that an answer needs."""
        if not self._level:
            return 0.0
        calm = int((now - self._pressed_at) / DOWN_SECONDS)
        return max(0.0, self._level - STEP * calm)

    def press(self, now: float, *, refused: bool = False) -> None:
        """Someone has to wait, or even to be refused."""
        if not self.enabled:
            return
        level = self.share(now)
        self.begun += not level
        if refused:
            level = 1.0
        elif now >= self._stepped_at + UP_SECONDS or not level:
            level, self._stepped_at = min(1.0, level + STEP), now
        self._level, self._pressed_at = level, now
