"""Texts without control characters, within a receiver's limit of characters."""


def printable(text: str) -> str:
    """Return *text* with a space for each character that is not printable, such as a line end."""
    return "".join(character if character.isprintable() else " " for character in text)


def shortened(text: str, most: int) -> str:
    """Return *text* with at most *most* characters; a longer text ends with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
