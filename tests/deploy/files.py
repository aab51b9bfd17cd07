"""What the tests of deploy/ read: the compose file, the Dockerfile's COPY lines, the files that an image would hold."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.helpers import HOUSE

SERVICES = sorted(file.parent.name for file in (HOUSE / "services").glob("*/app.py"))


def compose() -> dict[str, Any]:
    """The compose file, its anchors resolved."""
    found: dict[str, Any] = yaml.safe_load((HOUSE / "docker-compose.yml").read_text())
    return found


def filled_in(text: str, environment: Mapping[str, str] | None = None) -> str:
    """A value of the compose file, with the environment's passwords or, where it holds none, the defaults."""
    return re.sub(r"\$\{([A-Z_]+):-([^}]*)\}", lambda found: (environment or {}).get(found[1], found[2]), text)


def environment_of(container: str) -> dict[str, str]:
    """What a container finds in its environment on a laptop."""
    return {name: filled_in(value) for name, value in compose()["services"][container].get("environment", {}).items()}


class Copy(NamedTuple):
    """A COPY line: the files or folders of this repository that it names, and where they go (with ``/`` at its end: into that folder)."""

    sources: list[Path]
    destination: str


def dockerfile_lines() -> list[str]:
    """The Dockerfile without comments."""
    lines = (HOUSE / "deploy" / "Dockerfile").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def copies(lines: list[str], service: str) -> Iterator[Copy]:
    """The COPY lines that take something from this repository, for the image of a service."""
    for line in lines:
        instruction, *words = line.split()
        if instruction == "COPY" and not words[0].startswith("--from="):
            *patterns, destination = (word.replace("${SERVICE}", service) for word in words)
            yield Copy([file for pattern in patterns for file in sorted(HOUSE.glob(pattern))], destination)


def final_stage() -> list[str]:
    """The lines of the Dockerfile's last stage."""
    lines = dockerfile_lines()
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    return lines[last:]


def lay_out(service: str, root: Path) -> Path:
    """Copy what the image of a service holds of this repository below ``root``; returns its working folder."""
    for copy in copies(final_stage(), service):
        to = root / copy.destination.strip("/")
        for source in copy.sources:
            if source.is_dir():
                shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                file = to / source.name if copy.destination.endswith("/") else to
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, file)
    workdir = next(line.split()[1] for line in final_stage() if line.startswith("WORKDIR "))
    return root / workdir.lstrip("/")
