"""What was released stays: the SHA-256 of every released template, and messages as they were sent with it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import meta

from services.notifications.letters import TEMPLATES, environment, render
from tests.notifications.letters.stories import FOLDER, examples

RELEASED = TEMPLATES / "released.yaml"
SENT = FOLDER / "sent"
HEAD = """# The templates that messages were sent with, by SHA-256. None of them ever changes: messages are shown again from them.
# To word something anew, write the next version (email.2.txt beside email.1.txt). `make release-templates` adds here what is new.
"""


def files() -> dict[str, str]:
    """Every template, by name, with its SHA-256."""
    found = sorted(TEMPLATES.rglob("*.txt"))
    return {file.relative_to(TEMPLATES).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in found}


def released() -> dict[str, str]:
    """The released templates, by name, with the SHA-256 they were released with."""
    return yaml.safe_load(RELEASED.read_text(encoding="utf-8")) or {} if RELEASED.exists() else {}


def parts_of(template: str) -> set[str]:
    """What a template extends or includes, by name."""
    source = (TEMPLATES / template).read_text(encoding="utf-8")
    return {name or "a name that is worked out" for name in meta.find_referenced_templates(environment().parse(source))}


def release() -> list[str]:
    """Release what has not been released; what has been is left as it is. Returns the names.

    :raises SystemExit: no story shows one of them, so nothing could be kept that was sent with it.
    """
    before = released()
    new = {name: digest for name, digest in files().items() if name not in before}
    untold = sorted(
        {name for name in new if not name.startswith("_")} - {example.template for example in examples() if example.size == "full"}
    )
    if untold:
        raise SystemExit(f"Nothing was released: no full story in tests/notifications/letters/<kind>.yaml shows {', '.join(untold)}.")
    lines = "".join(f"{name}: {digest}\n" for name, digest in sorted((before | new).items()))
    RELEASED.write_text(HEAD + lines, encoding="utf-8", newline="\n")
    for name in new:
        if not name.startswith("_"):
            _keep(name)
    return sorted(new)


def _keep(template: str) -> None:
    messages = [_message(template, example.values) for example in examples() if example.template == template and example.size == "full"]
    SENT.mkdir(exist_ok=True)
    text = json.dumps(messages, ensure_ascii=False, indent=1)
    sent_with(template).write_text(text + "\n", encoding="utf-8", newline="\n")


def _message(template: str, values: Mapping[str, Any]) -> dict[str, Any]:
    letter = render(template, values)
    return {"values": dict(values), "subject": letter.subject, "text": letter.text}


def sent_with(template: str) -> Path:
    """The file of messages that were sent with a template."""
    return SENT / f"{template.removesuffix('.txt').replace('/', '.')}.json"


def sent() -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Every message that was kept, with its template."""
    for template in released():
        if not template.startswith("_"):
            for message in json.loads(sent_with(template).read_text(encoding="utf-8")):
                yield template, message
