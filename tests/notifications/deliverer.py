"""``python -m tests.notifications.deliverer``: a process that lets alerts leave until none waits. Tests kill it at a crash point."""

import sys
import time

from sqlalchemy import func, select

from services.notifications.app import SERVICE
from services.notifications.models import Alert
from services.notifications.senders.delivery import deliver
from shared.config import read_config
from shared.database import transaction
from shared.worker import Worker
from tests.notifications.channels import later

PATIENCE = 20


def main() -> int:
    """Exit code 0 when nothing is on its way any more."""
    worker = Worker(SERVICE, read_config(), lambda: later(1))
    ends = time.monotonic() + PATIENCE
    busy = select(func.count()).where(Alert.status.in_(("pending", "claimed", "unknown")))
    while time.monotonic() < ends:
        if not deliver(worker, worker.clock()):
            with transaction(worker.engine) as session:
                if not session.scalar(busy):
                    return 0
            time.sleep(0.05)
    return 1


if __name__ == "__main__":
    sys.exit(main())
