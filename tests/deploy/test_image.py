"""What the image of one service holds is enough for it, and nothing of another service. No image is built: the files that the Dockerfile's
last stage copies are laid out in an empty folder, and the command is run there, out of reach of this repository.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.health import address
from tests.deploy.files import SERVICES, copies, dockerfile_lines, final_stage, lay_out
from tests.deploy.processes import run
from tests.helpers import HOUSE

ANSWER = """
import sys
from datetime import UTC, datetime
from services.{service}.app import SERVICE, create_app
from shared.config import read_config
from shared.worker import Worker
client = create_app(Worker(SERVICE, read_config(), lambda: datetime.now(UTC))).test_client()
for path in ("health/live", "policies", "references", "openapi.json"):
    assert client.get("/{service}/" + path).status_code == 200, path
for name, module in sorted(sys.modules.items()):
    if name.split(".")[0] in ("services", "shared"):
        print(module.__file__)
"""


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def house(service: str, tmp_path: Path) -> Path:
    """The working folder of a service's image."""
    return lay_out(service, tmp_path)


def test_an_image_holds_the_folder_of_its_service_and_of_no_other(service: str, house: Path) -> None:
    assert [file.parent.name for file in (house / "services").glob("*/app.py")] == [service]
    assert not {"tests", "deploy", ".git", ".venv"} & {path.name for path in house.iterdir()}


def test_a_service_alone_has_all_that_it_answers_from_and_imports_nothing_from_elsewhere(service: str, house: Path) -> None:
    done = run(house, "-c", ANSWER.format(service=service))
    assert done.returncode == 0, done.stderr
    files = [line for line in done.stdout.splitlines() if line.endswith(".py")]
    assert (house / "services" / service / "app.py").as_posix() in files
    assert [file for file in files if not Path(file).is_relative_to(house)] == []


@pytest.mark.parametrize("command", ["", "work"])
def test_the_command_starts_with_one_service_alone(command: str, service: str, house: Path) -> None:
    arguments = [command, service] if command else []
    done = run(house, "-m", "services", *arguments, "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_another_service_is_unknown_to_an_image(service: str, house: Path) -> None:
    other = next(name for name in SERVICES if name != service)
    done = run(house, "-m", "services", "work", other)
    assert done.returncode == 2
    assert service in done.stderr


# ---- the Dockerfile ------------------------------------------------------------------------------------------------


def test_every_file_that_is_copied_is_there_and_is_sent_to_the_engine(service: str) -> None:
    sent = {line[1:] for line in (HOUSE / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for copy in copies(dockerfile_lines(), service):
        assert copy.sources, f"{copy.destination} would stay empty"
        for source in copy.sources:
            path = source.relative_to(HOUSE)
            assert {path.as_posix(), *(parent.as_posix() for parent in path.parents)} & sent, path


def test_nothing_but_what_is_copied_is_sent_to_the_engine() -> None:
    lines = (HOUSE / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    wanted = " ".join(line for line in dockerfile_lines() if line.startswith("COPY"))
    assert [line for line in lines if line.startswith("!") and line[1:] not in wanted] == []


def test_the_last_stage_has_no_compiler_and_no_right_of_root() -> None:
    lines = final_stage()
    assert "apt-get" not in " ".join(lines)
    user = lines.index("USER tripartite")
    assert [line for line in lines[user:] if line.startswith(("RUN", "COPY"))] == []


def test_what_is_copied_can_be_read_by_the_user_who_runs_it_however_it_was_checked_out(tmp_path: Path) -> None:
    """The RUN line that sees to it, as the engine's shell would run it on files that were kept to oneself."""
    lines = final_stage()
    opens = next(line for line in lines if line.startswith("RUN chmod"))
    assert max(place for place, line in enumerate(lines) if line.startswith("COPY")) < lines.index(opens) < lines.index("USER tripartite")
    (tmp_path / "house" / "shared").mkdir(parents=True, mode=0o700)
    (tmp_path / "house" / "shared" / "plain.py").touch(mode=0o600)
    subprocess.run(["sh", "-c", opens.removeprefix("RUN ").replace("/house", str(tmp_path / "house"))], check=True)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "house").rglob("*")}
    assert modes == {"shared": 0o755, "plain.py": 0o644}


@pytest.mark.parametrize("named", ["", "policies"])
def test_a_build_that_names_no_service_fails_and_says_what_to_add(named: str, tmp_path: Path) -> None:
    """The RUN lines that guard the build argument, as the engine's shell would run them."""
    house = tmp_path / "house"
    (house / "services" / "policies").mkdir(parents=True)
    guards = [line.removeprefix("RUN ").replace("/house", str(house)) for line in final_stage() if re.match('RUN (: "|test -f)', line)]
    assert len(guards) == 2
    environment = {"PATH": os.environ["PATH"], "SERVICE": named}
    done = [subprocess.run(["sh", "-c", guard], env=environment, capture_output=True, text=True, check=False) for guard in guards]
    failed = next(each for each in done if each.returncode)
    assert ("--build-arg SERVICE=" in failed.stderr) if not named else ("services/policies is no service" in failed.stderr)


# ---- the health check ----------------------------------------------------------------------------------------------


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A process that answers so, on a free port; and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def checked(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-S", str(HOUSE / "deploy" / "health.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_says_whether_a_worker_is_ready(status: int, code: int) -> None:
    with answering(status) as (port, asked):
        done = checked({"SERVICE": "deadlines", "TRIPARTITE_HEALTH_PORT": str(port)})
    assert (done.returncode, asked) == (code, ["/health/ready"])
    assert bool(done.stderr) == bool(code)


def test_the_health_check_asks_no_proxy_whatever_the_container_was_given() -> None:
    with answering(200) as (port, asked):
        proxies = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        assert checked({"SERVICE": "deadlines", "TRIPARTITE_HEALTH_PORT": str(port), **proxies}).returncode == 0
    assert asked == ["/health/ready"]


def test_the_health_check_of_a_web_process_asks_below_the_name_of_its_service() -> None:
    with answering(200) as (port, asked):
        assert checked({"SERVICE": "deadlines", "TRIPARTITE_PORT": str(port)}).returncode == 0
    assert asked == ["/deadlines/health/ready"]
    assert address({"SERVICE": "deadlines"}) == "http://127.0.0.1:8000/deadlines/health/ready"


def test_a_process_that_does_not_answer_is_not_healthy() -> None:
    with answering(200) as (port, _):
        pass
    done = checked({"SERVICE": "deadlines", "TRIPARTITE_HEALTH_PORT": str(port)})
    assert done.returncode == 1
    assert "does not answer" in done.stderr
