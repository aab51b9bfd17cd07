"""``python -m tests.notifications.chores FOLDER TIME``: every chore of notifications, at a time that stands still, until all is done.

It is killed by TRIPARTITE_CRASHPOINT as any worker is.
"""

import sys
from datetime import datetime
from pathlib import Path

from services.notifications.app import SERVICE
from shared.config import Config
from shared.worker import Worker
from tests.helpers import Clock

if __name__ == "__main__":
    worker = Worker(SERVICE, Config(data=Path(sys.argv[1])), Clock(datetime.fromisoformat(sys.argv[2])))
    worker.recover()
    while sum(chore(worker, worker.clock()) for chore in SERVICE.chores):
        pass
