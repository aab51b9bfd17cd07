"""Text that may come from anywhere, made fit to be shown."""


def printable(text: str, kept: str = "\n\t") -> str:
    """A text without control characters, which a terminal or a calendar might obey: only those ``kept`` stay."""
    return "".join(letter if letter.isprintable() or letter in kept else "\ufffd" for letter in text)
