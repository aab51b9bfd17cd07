"""The contract of the bus, for the command: who hears what, by the CONSUMERS tables, and the files of shared/contract made from it."""

from collections import defaultdict
from importlib import import_module
from pathlib import Path

from services.command import NAMES
from shared.asyncapi import CONTRACT, Json, document, write
from shared.errors import Refused
from shared.events import EVENTS, Event


def hears(service: str) -> list[type[Event]]:
    """The events in a service's CONSUMERS table."""
    return list(import_module(f"services.{service}.consumers").CONSUMERS)


def heard_by() -> dict[type[Event], list[str]]:
    """Which services hear each event.

    :raises Refused: not every service is here, as in an image that holds one.
    """
    speakers = {service for event in EVENTS.values() if not event.from_outside for service in event.said_by}
    if missing := sorted(speakers - set(NAMES)):
        raise Refused(
            f"Who hears what can be told only where all services are; {', '.join(missing)} is not here. Use the whole repository."
        )
    found: dict[type[Event], list[str]] = defaultdict(list)
    for service in NAMES:
        for event in hears(service):
            found[event].append(service)
    return dict(found)


def contract() -> Json:
    """The AsyncAPI document of the bus."""
    return document(heard_by())


def renewed() -> list[Path]:
    """Renew shared/contract; gives the files that were not current."""
    return write(CONTRACT, heard_by())
