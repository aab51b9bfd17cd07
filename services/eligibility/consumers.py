"""Events in: none yet. Ends with the CONSUMERS table: what happens on what."""

from collections.abc import Mapping

from shared.events import Event
from shared.worker import Handler

CONSUMERS: Mapping[type[Event], Handler] = {}
