"""Times relative to the onset of an episode, in words."""

from nilometer.alert.calibrated.slots import NS_PER_SECOND

MINUTE_NS = 60 * NS_PER_SECOND


def relative(at_ns: int, onset_ns: int, window_ns: int) -> str:
    """Return when something happened relative to the onset, which is known to a window.

    >>> relative(0, 7200 * 10**9, 300 * 10**9), relative(0, 0, 300 * 10**9)
    ('2 hours before the onset', 'at the onset')
    """
    distance = at_ns - onset_ns
    if abs(distance) < window_ns:
        return "at the onset"
    side = "before" if distance < 0 else "after"
    return f"{duration(abs(distance))} {side} the onset"


def duration(length_ns: int) -> str:
    """Return a length of time in its largest whole unit: minutes, hours or days.

    >>> duration(90 * 60 * 10**9), duration(60 * 10**9)
    ('90 minutes', '1 minute')
    """
    minutes = max(round(length_ns / MINUTE_NS), 1)
    for size, unit in ((1440, "day"), (60, "hour")):
        if minutes >= 2 * size:
            return f"{round(minutes / size)} {unit}s"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"
