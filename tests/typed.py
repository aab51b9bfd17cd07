"""The command as a person types it: words in, an answer out, as text or as data."""

import json
from typing import Any

from click.testing import CliRunner, Result

from services.__main__ import main

ROUTE = "procurement-route"
THEN = ("--as-at", "2021-06-01")


def run(*words: str, types: str = "") -> Result:
    """What the command answers to these words, and to what is typed."""
    return CliRunner().invoke(main, list(words), input=types)


def data(*words: str) -> Any:
    """What the command answers as JSON."""
    return json.loads(run(*words, "--json").stdout)


def flat(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())
