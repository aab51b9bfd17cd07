"""A database whose disk is full: its services' tables lie on a small file system, which grows again while they wait.

The file system is a tmpfs in a mount namespace of the database's own, which is gone when the database is; nobody else sees it. Only
root may make one, so elsewhere this fault is not lived through, and a line says so. The write-ahead log lies on the machine's own disk:
what is proved is that transactions which fail for want of space (SQLSTATE 53100) put nothing into quarantine, lose nothing and are done
later. A write-ahead log without space ends the server, which is the fault of the database that was killed.
"""

import os
import pwd
import re
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.brokers import Broker
from tests.chaos.accounting import Account, account
from tests.chaos.provider import Provider
from tests.chaos.region import Region, until
from tests.chaos.rotation import invent
from tests.databases import Database
from tests.power import Installed

LARGE = 512
"""Megabytes of the file system with room enough."""
LEFT = 1
"""Megabytes that are left when it is to become full."""


def full_disk(folder: Path, seed: int, broker: Broker) -> list[Account]:
    """A small rotation on a disk that becomes full in the midst of it."""
    if os.geteuid() or subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        print("The full disk was not lived through: only root may mount the small file system that it needs.")
        return []
    began = time.monotonic()
    small = Path(tempfile.mkdtemp(prefix="tripartite-small-disk-"))
    database = on_a_small_disk(folder, small)
    try:
        with Provider(folder / "provider-of-disk.log") as provider:
            region = Region(folder, "disk", provider, broker, database)
            try:
                found = live(region, small, seed)
            finally:
                region.close()
    finally:
        database.close()
        small.rmdir()
    found.seconds = time.monotonic() - began
    return [found]


def on_a_small_disk(folder: Path, small: Path) -> Database:
    """A database cluster that keeps new databases on a file system of its own, mounted at ``small``."""
    database = Database.start(folder)
    power = database.power
    assert isinstance(power, Installed)
    database.stop()
    user = pwd.getpwnam("postgres")
    mount = f"mount -t tmpfs -o size={LARGE}m,uid={user.pw_uid},gid={user.pw_gid},mode=0700 tmpfs {small}"
    server = f'exec setpriv --reuid {user.pw_uid} --regid {user.pw_gid} --clear-groups --pdeathsig KILL "$@"'
    power.command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"{mount} && {server}", "sh", *power.command]
    power.user = None
    database.start_again()
    with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{small}'".encode())
        connection.execute("ALTER DATABASE template1 SET TABLESPACE small")
    return database


def live(region: Region, small: Path, seed: int) -> Account:
    """Tell a rotation, let the disk become full in the midst of it, make room once a worker has noticed."""
    rotation = invent(seed, 150, name="disk", poisonous=0)
    region.start()
    region.tell(rotation.first())
    region.drain()
    shrink(region.database, small)
    region.tell(rotation.second())
    until(lambda: any("No space left" in process.log.read_text() for process in region.processes.values()), "the disk to be full")
    resize(region.database, small, LARGE)
    region.drain()
    region.tell(rotation.third())
    region.drain()
    return account("disk of the database full", seed, region, [rotation])


def shrink(database: Database, small: Path) -> None:
    """Leave so little of the file system that it is full soon."""
    used = re.search(r"\d+", inside(database, "df", "--output=used", "--block-size=1M", str(small)).partition("\n")[2])
    assert used is not None
    resize(database, small, int(used[0]) + LEFT)


def resize(database: Database, small: Path, megabytes: int) -> None:
    """Give the file system another size."""
    inside(database, "mount", "-o", f"remount,size={megabytes}m", str(small))


def inside(database: Database, *command: str) -> str:
    """Run a command where the database sees its file systems."""
    assert isinstance(database.power, Installed)
    assert database.power.process is not None
    entered = ["nsenter", "--target", str(database.power.process.pid), "--mount", *command]
    return subprocess.run(entered, check=True, capture_output=True, text=True).stdout
