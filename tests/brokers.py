"""A RabbitMQ node for tests, which a test may kill -9 and start again: its power, its memory alarm, its virtual hosts."""

import itertools
import json
import os
import socket
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

from tests.power import Installed, NoServer, Power, found_or_installed, free_port, rabbitmq_programs, wait_for


class Broker:
    """A RabbitMQ node: ``url`` is its virtual host ``/``, ``management_url`` its management plugin, as an administrator."""

    def __init__(self, url: str, management_url: str, power: Power) -> None:
        self.url, self.management_url, self.power = url, management_url, power

    @classmethod
    def start(cls, folder: Path, definitions: Path | None = None, conf: str = "") -> Self:
        """A private node, from the installed RabbitMQ, that keeps everything in a folder.

        :param definitions: a file that it loads, as it stands, at its start; there is a user guest only if that names one.
        :param conf: more lines of rabbitmq.conf.
        :raises NoServer: RabbitMQ is not installed and cannot be, or the node ended.
        """
        programs = found_or_installed("RabbitMQ", "TRIPARTITE_TEST_AMQP_URL", "rabbitmq-server", rabbitmq_programs)
        amqp, management = free_port(), free_port()
        lines = [f"listeners.tcp.1 = 127.0.0.1:{amqp}", "management.tcp.ip = 127.0.0.1", f"management.tcp.port = {management}", conf]
        if definitions:
            lines.append(f"load_definitions = {definitions}")
        (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        power = Installed(["rabbitmq-server"], _environment(folder, programs), folder / "output")
        node = cls(f"amqp://guest:guest@127.0.0.1:{amqp}/", f"http://guest:guest@127.0.0.1:{management}", power)
        node.start_again()
        return node

    def kill(self) -> None:
        """SIGKILL."""
        self.power.kill()

    def start_again(self) -> None:
        """Starts it with what it has kept, and waits until it is ready. A running node is left as it is."""
        self.power.start()
        self.wait_until_ready()

    def stop(self) -> None:
        """Shuts it down in good order; it can be started again."""
        self.power.stop()

    def close(self) -> None:
        """Ends it at once and for good: what it has kept is needed no more. A given broker goes on."""
        self.power.close()

    def ctl(self, *words: str) -> str:
        """What rabbitmqctl says about this node."""
        return self.power.run("rabbitmqctl", *words)

    def wait_until_ready(self) -> None:
        """Waits until it greets clients, the last thing that a starting node begins to do.

        :raises NoServer: it has ended instead.
        """
        wait_for(self._greets, f"the broker at {urlsplit(self.url).netloc} to greet")

    def _greets(self) -> bool:
        self.power.check()
        address = urlsplit(self.url)
        with suppress(OSError), socket.create_connection((address.hostname, address.port or 5672), 1) as caller:
            caller.sendall(b"AMQP\x00\x00\x09\x01")
            return caller.recv(1) == b"\x01"  # a method frame: Connection.Start
        return False

    def alarm(self, on: bool) -> None:
        """The memory alarm. While it is on, the node does not read from connections that publish."""
        self.ctl("set_vm_memory_high_watermark", "0" if on else "0.4")
        wait_for(lambda: self._manage("GET", "health/checks/local-alarms") == (503 if on else 200), "the memory alarm to change")

    def flush(self) -> None:
        """Makes declarations survive a kill: call it after them, before anything is killed.

        A message of a quorum queue is on the disk before it is confirmed. But the last writes to the tables that say which queues there
        are wait in the node's memory: up to 2 seconds in Mnesia's log (``disk_log``), up to 3 in the tables in which Ra knows its
        members (``dets``). A node that is killed before does not find the messages again. Both are written here.
        """
        mnesia = "case mnesia:system_info(is_running) of yes -> ok = mnesia:sync_log(); no -> ok end"  # RabbitMQ 4 can do without it
        self.ctl("eval", f"{mnesia}, [ok = dets:sync(Table) || Table <- dets:all()].")

    def vhost(self, name: str) -> str:
        """The URL of a new virtual host, which sees no other's queues."""
        anything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._manage("PUT", f"vhosts/{quote(name, safe='')}")
        self._manage("PUT", f"permissions/{quote(name, safe='')}/{urlsplit(self.management_url).username}", anything)
        return urlsplit(self.url)._replace(path=f"/{quote(name, safe='')}").geturl()

    def drop_vhost(self, name: str) -> None:
        """Deletes a virtual host with all that is in it."""
        self._manage("DELETE", f"vhosts/{quote(name, safe='')}")

    def _manage(self, method: str, path: str, body: dict[str, str] | None = None) -> int:
        """The status that the management plugin answers with."""
        address = urlsplit(self.management_url)
        access = b64encode(f"{address.username}:{address.password}".encode()).decode()
        headers = {"Authorization": f"Basic {access}", "Content-Type": "application/json"}
        where = f"http://{address.hostname}:{address.port}/api/{path}"
        request = urllib.request.Request(where, json.dumps(body).encode() if body else None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 503:  # a health check that found something
                    raise RuntimeError(f"{method} {where} was answered {error.code}: {error.read().decode()}") from error
                return error.code
        except urllib.error.URLError as error:
            raise NoServer(f"{method} {where} was not answered ({error.reason}); tests need RabbitMQ's management plugin there.") from error


_numbers = itertools.count(1)


def _environment(folder: Path, programs: Path) -> dict[str, str]:
    """What RabbitMQ's scripts are told: all is this node's own, all on loopback."""
    loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
    return {
        "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(folder),  # Erlang keeps the cookie there by which node and rabbitmqctl know each other
        "LANG": "C.UTF-8",
        "ERL_CRASH_DUMP_SECONDS": "0",  # none
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(_port_mapper()),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),  # there is none; the machine's own does not count
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CTL_ERL_ARGS": loopback,
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_NODENAME": f"tripartite-{os.getpid()}-{next(_numbers)}@localhost",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": loopback,
        "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the Erlang VM, where it would wait for it: one process, one pid
    }


@cache
def _port_mapper() -> int:
    """The port of an Erlang port mapper of the tests' own: the machine's is left alone, and none is left behind."""
    port = free_port()
    mapper = Installed(["epmd", "-address", "127.0.0.1", "-port", str(port)], dict(os.environ), Path(os.devnull))
    mapper.start()

    def listens() -> bool:
        mapper.check()
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listens, "epmd to listen")
    return port
