"""The answer to a document or a rollback, and changes, as text for a terminal."""

from collections.abc import Iterator, Sequence

from nilometer_collector.api.resources.declared_views import AppliedView, ChangeView, WarningView

NOT_SET = "not set"


def lines_of(applied: AppliedView) -> Iterator[str]:
    """Return the lines: each change with its fields, the warnings, and a sentence with the counts."""
    for change in applied.changes:
        yield from change_lines(change)
    yield from warning_lines(applied.warnings)
    yield _sentence(applied)


def change_lines(change: ChangeView) -> Iterator[str]:
    """Return the lines of one change."""
    yield f"{title(change.kind, change.entity, change.name)}: {change.action}"
    for one in change.fields:
        match change.action:
            case "created":
                yield plain(f"  {one.field}: {one.after}")
            case "removed":
                pass
            case _:
                before, after = one.before or NOT_SET, one.after or NOT_SET
                yield plain(f"  {one.field}: {before} -> {after}")


def warning_lines(warnings: Sequence[WarningView]) -> Iterator[str]:
    """Return one line for each warning."""
    for one in warnings:
        yield plain(f"warning: {title(one.kind, one.entity, one.name)}: {one.sentence}")


def title(kind: str, entity: str, name: str) -> str:
    """Return the words for an object, such as ``alerter late of fraud-scorer``."""
    shown = f"{kind} {plain(name)}"
    return shown if entity in {"", name} else f"{shown} of {plain(entity)}"


def plain(text: str) -> str:
    """Return *text* in one line, without characters that change a terminal."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _sentence(applied: AppliedView) -> str:
    counts = {
        word: sum(change.action == word for change in applied.changes)
        for word in ("created", "changed", "removed")
    }
    counts["unchanged"] = applied.unchanged
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "no objects"
    if not applied.changes:
        return f"nothing to change: {told}"
    if applied.dry_run:
        return f"dry run on revision {applied.based_on}, nothing is changed: {told}"
    return f"revision {applied.revision}: {told}"
