"""Named places where a process may be killed in a test: every boundary of a commit, a publish or an acknowledgement.

``crashpoint(name)`` does nothing, unless ``TRIPARTITE_CRASHPOINT`` names it: then the process is killed there and then, as by a
power cut (SIGKILL: no clean-up runs). ``TRIPARTITE_CRASHPOINT=relay.published.unmarked:3`` waits for the third time.
"""

import os
import signal

CRASHPOINTS = (
    "relay.leased.unpublished",
    "relay.published.unconfirmed",
    "relay.confirmed.unmarked",
    "consumer.handled.uncommitted",
    "consumer.committed.unacknowledged",
    "consumer.alone.unacknowledged",
    "clock.struck.uncommitted",
    "alert.claimed.unsent",
    "alert.sent.one",
    "alert.sent.unmarked",
)
_armed, _, _times = os.environ.get("TRIPARTITE_CRASHPOINT", "").partition(":")
if _armed and _armed not in CRASHPOINTS:
    raise ValueError(f"TRIPARTITE_CRASHPOINT names {_armed!r}; there are {', '.join(CRASHPOINTS)}.")
_left = iter(range(int(_times or 1) - 1))


def crashpoint(name: str) -> None:
    """A place where a test may kill this process."""
    if name == _armed and next(_left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
