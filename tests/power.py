"""Who holds a test node's power: kill it, start it, stop it, run a program beside it; and what is installed on this machine.

The nodes themselves are tests/brokers.py and tests/databases.py. Read from the top: errors and small helps, the three holders of power
(given, contained, installed), what is installed.
"""

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer


class NoServer(Exception):
    """There is no server to test with, or it has ended."""


class NotOurs(Exception):
    """Tests may kill and command only what they have started."""


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Polls until the condition holds.

    :raises TimeoutError: it does not, within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {seconds:g} seconds for {what}.")
        time.sleep(0.02)


def free_port() -> int:
    """A free port below those that systems give to outgoing connections, so that nobody takes it while its node is down."""
    for port in random.sample(range(20000, 32768), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise NoServer("None of 100 ports between 20000 and 32767 is free; ss -ltnp lists what holds them.")


# ---- who holds a node's power: kill, start, stop, run a program beside it, check that it lives ----------------------


@dataclass
class Given:
    """A server that runs already, named by a variable of the environment."""

    variable: str

    def kill(self) -> None:
        raise NotOurs(f"The server of {self.variable} cannot be killed or commanded; unset it, and the tests start a node of their own.")

    def run(self, *words: str) -> str:
        self.kill()
        return ""

    def check(self) -> None:
        """Whether it lives is for whoever runs it."""

    start = stop = kill
    close = check


@dataclass
class Contained:
    """A server in a container. It has the same ports when it is started again."""

    container: "DockerContainer"

    def kill(self) -> None:
        self.container.get_wrapped_container().kill("SIGKILL")
        self.container.wait()

    def start(self) -> None:
        self.container.get_wrapped_container().start()

    def stop(self) -> None:
        self.container.get_wrapped_container().stop(timeout=20)

    def close(self) -> None:
        self.container.stop()

    def run(self, *words: str) -> str:
        done = self.container.exec(list(words))
        if done.exit_code:
            raise RuntimeError(f"{' '.join(words)} ended with {done.exit_code}: {(done.output or b'').decode()}")
        return (done.output or b"").decode()

    def check(self) -> None:
        self.container.reload()
        if self.container.status == "exited":
            raise NoServer(f"The container of {self.container.image} has ended: {self.container.get_logs()[1].decode()[-5000:]}")


_starter = ThreadPoolExecutor(1, "starter")
"""The parent whose death the kernel watches is a thread: this one lives as long as the process, whichever thread asks for a start."""


@dataclass
class Installed:
    """An installed server. The kernel kills it when this process ends, however that ends."""

    command: list[str]
    environment: dict[str, str]
    output: Path
    farewell: signal.Signals = signal.SIGTERM
    user: str | None = None
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        atexit.register(self.kill)

    def start(self) -> None:
        if self.process is None or self.process.poll() is not None:
            self.process = _starter.submit(self._started).result()

    def _started(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command],
                **self._place(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop their servers
            )

    def kill(self) -> None:
        """As a power cut: the server and its children, at once."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGSTOP)  # it starts no more children
        children = _children(self.process.pid)
        for pid in (*children, self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_for(lambda: all(_state_and_parent(pid)[0] in "ZX" for pid in children), "the children of a killed server to end")

    def stop(self) -> None:
        """In good order; by force if that takes more than 20 seconds."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.farewell)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
            self.kill()

    close = kill

    def run(self, *words: str) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            words, **self._place(), capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def _place(self) -> dict[str, Any]:
        identity = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        return {"env": self.environment, "cwd": "/", **identity}

    def check(self) -> None:
        if self.process is None or self.process.poll() is not None:
            raise NoServer(f"{self.command[0]} has ended; {self.output} ends with: {self.output.read_text()[-5000:]}")


def _state_and_parent(pid: int) -> tuple[str, int]:
    """The state of a process, as proc(5) has it, and its parent; X when it is gone."""
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return state, int(parent)


def _children(parent: int) -> list[int]:
    return [pid for pid in (int(folder.name) for folder in Path("/proc").glob("[0-9]*")) if _state_and_parent(pid)[1] == parent]


Power = Given | Contained | Installed

# ---- what is installed ---------------------------------------------------------------------------------------------


def rabbitmq_programs() -> Path | None:
    """The folder of RabbitMQ's own scripts: what packages put on the path first becomes another user."""
    found = [Path("/usr/lib/rabbitmq/bin"), *(Path(path).resolve().parent for path in filter(None, [shutil.which("rabbitmq-server")]))]
    return next((folder for folder in found if (folder / "rabbitmq-server").exists()), None)


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's programs, of the newest version that is installed."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    found = [*packaged, *(Path(path).resolve().parent for path in filter(None, [shutil.which("initdb")]))]
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def found_or_installed(product: str, variable: str, package: str, programs: Callable[[], Path | None]) -> Path:
    if programs() is None and can_install():
        install()
    if folder := programs():
        return folder
    raise NoServer(
        f"Tests need a real {product}, but {variable} is not set, no Docker engine answers and {package} is not installed: "
        f"set it, start Docker, or install it (on Debian `apt-get install {package}`, which the tests do themselves when run as root)."
    )


def can_install() -> bool:
    """Whether this is Debian, as root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(policy: Path = Path("/usr/sbin/policy-rc.d")) -> None:
    """Installs both servers on Debian without starting their services: Debian asks the program ``policy``, and 101 means no.

    :raises NoServer: a package could not be installed.
    """
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for words in (["update"], ["install", "--yes", "--no-install-recommends", "rabbitmq-server", "postgresql"]):
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            done = subprocess.run(["apt-get", *words], env=environment, capture_output=True, text=True, timeout=600, check=False)
            if done.returncode:
                raise NoServer(f"`apt-get {' '.join(words)}` failed, so there is no server to test with: {done.stderr[-1000:]}")
    finally:
        if ours:
            policy.unlink()
