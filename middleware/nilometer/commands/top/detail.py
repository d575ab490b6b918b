"""The view of one entity."""

from collections.abc import Mapping

from nilometer.commands.top.entities import EntityRow
from nilometer.commands.top.pieces import Line, Style
from nilometer.commands.top.sources import Picture
from nilometer.commands.top.text import clean, number, seconds, share


def inside(row: EntityRow, picture: Picture) -> list[Line]:
    """Return all lines of the view of one entity."""
    lines: list[Line] = [((clean(row.name), Style.BOLD), (f"  {row.status or '-'}", Style.PLAIN))]

    def say(name: str, text: str, style: Style = Style.PLAIN) -> None:
        lines.append(((f"{name:<12} ", Style.DIM), (clean(text), style)))

    say(
        "requests",
        f"{number(row.requests)}/s, {row.total} in total"
        + ("; the collector's newest window" if row.windowed else ""),
    )
    say("outcomes", _counts(row.outcomes) or "none in this span")
    say("latency", f"p50 {seconds(row.p50)}  p99 {seconds(row.p99)}")
    say("coverage", share(row.coverage))
    if row.dropped_total:
        say("dropped", _counts(row.dropped_total), Style.BAD)
    if row.undecodable_total:
        say("undecodable", _counts(row.undecodable_total), Style.WARNING)
    if row.lost_inputs:
        say("inputs lost", _counts(row.lost_inputs), Style.WARNING)
    if row.lost_outputs:
        say("outputs lost", _counts(row.lost_outputs), Style.WARNING)
    say(
        "observing",
        f"{seconds(row.cpu_per_request)} of CPU a request, {seconds(row.added_p99)} added at p99, "
        f"{share(row.share)} held",
    )
    if row.agents:
        say("agents", ", ".join(row.agents))
    say("verdicts", f"{row.judged} newest, breaches: {row.breaches}")
    for judged in row.worst:
        where = f" {{{judged.labels}}}" if judged.labels else ""
        limit = f" of {judged.threshold:.4g}" if judged.threshold else ""
        say(
            "  breach" if judged.breach else "  within",
            f"{judged.alerter}: {judged.summary}{where} {judged.measure} {judged.value:.4g}{limit}",
            Style.BAD if judged.breach else Style.PLAIN,
        )
    for episode in picture.collector.open_episodes:
        if episode.entity == row.name:
            text = f"{episode.alerter}: {episode.summary}: {episode.evidence}"
            say("  episode", text, Style.BAD)
    return lines


def _counts(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return "  ".join(f"{name} {count}" for name, count in most if count)
