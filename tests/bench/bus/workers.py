"""Worker processes of one contender: started, paused, let go, measured in /proc, and ended, whatever happens."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GRACE = 15
TICKS = os.sysconf("SC_CLK_TCK")
REPOSITORY = Path(__file__).parents[3]


class Ended(Exception):
    """A worker ended of itself; the text says what it wrote last."""


@dataclass(frozen=True)
class Usage:
    """What processes took: seconds of CPU so far, megabytes of memory at most and now."""

    cpu: float
    peak: float
    resident: float


class Workers:
    """The same command, so many times, each with its children. What it writes goes to a file."""

    def __init__(self, command: Sequence[str], count: int, environment: Mapping[str, str], output: Path) -> None:
        self._output = output
        self._processes: list[subprocess.Popen[bytes]] = []
        with output.open("wb") as file:
            for _ in range(count):
                self._processes.append(
                    subprocess.Popen(
                        ["setpriv", "--pdeathsig", "KILL", *command],
                        cwd=REPOSITORY,
                        env={**os.environ, **environment},
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
                )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every worker and its children."""
        for pid in self._family():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def check(self) -> None:
        """:raises Ended: a worker has."""
        for process in self._processes:
            if process.poll() is not None:
                raise Ended(f"{process.args!r} ended with {process.returncode}: {self._output.read_text()[-3000:]}")

    def usage(self) -> Usage:
        """What all of them took together."""
        family = list(self._family())
        status = [dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()) for pid in family]
        peak, resident = (sum(int(lines[name].split()[0]) / 1024 for lines in status) for name in ("VmHWM", "VmRSS"))
        times = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in family]
        return Usage(sum(int(ticks) for pair in times for ticks in pair) / TICKS, peak, resident)

    def stop(self) -> None:
        """End them in good order; by force after a while."""
        family = list(self._family())
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._processes:
            process.wait()

    def _family(self) -> Iterator[int]:
        """The pids of the workers and of their children and theirs."""
        waiting = [process.pid for process in self._processes if process.poll() is None]
        while waiting:
            pid = waiting.pop()
            yield pid
            with suppress(FileNotFoundError):
                waiting += [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
