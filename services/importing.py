"""Upstream files in: lines are posted to a running house, a few hundred at a time, and every line that is refused is reported.

A file holds one JSON object a line: TIS messages (``--as tis``), CloudEvents (``--as events``), or both (``--as rotation``). What the
command sends was checked before as a whole (checking.py). A house that does not answer is waited for; what it had taken is recognised
when it is sent again, so an import may be cut and repeated at will.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.reaching import open_url
from shared.errors import Refused, Unreachable

CHUNK = 200
LARGEST_CHUNK = 8 * 1024 * 1024
"""About how many bytes are posted at once: half of what a request may have (shared/service.py)."""
BUSY = 503
"""A house whose database is away, or held by somebody else for too long: the same is sent again."""
Line = tuple[int, dict[str, Any]]
Post = Callable[[str, list[dict[str, Any]]], tuple[int, Any]]
"""(path, objects) -> (HTTP status, answer)."""


@dataclass
class Report:
    """What became of a file: how many lines were taken, how many of them were new, and why the others were refused."""

    taken: int = 0
    new: int = 0
    refused: dict[int, str] = field(default_factory=dict)


def is_tis(line: dict[str, Any]) -> bool:
    """Whether a line is a TIS message (else it is taken for a CloudEvent)."""
    return "tisId" in line or "record" in line


def path_of(line: dict[str, Any]) -> str:
    """Where a line is posted."""
    return "/deadlines/upstream/tis" if is_tis(line) else "/deadlines/events"


def read_lines(file: Path, kind: str, report: Report) -> Iterator[Line]:
    """The numbered objects of a file; a line that is none is refused in the report."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, text in enumerate(lines, start=1):
            if not text.strip():
                continue
            try:
                found = json.loads(text)
            except ValueError as error:
                report.refused[number] = f"is not JSON: {error}; a spreadsheet is imported with --as placements-csv."
                continue
            if not isinstance(found, dict):
                report.refused[number] = "is not a JSON object."
            elif kind != "rotation" and is_tis(found) is not (kind == "tis"):
                report.refused[number] = f"is not of the kind {kind}; use --as rotation for a file of both kinds."
            else:
                yield number, found


def import_lines(lines: Iterator[Line], post: Post, report: Report, progress: Callable[[int], None], size: int = CHUNK) -> None:
    """Post lines in their order, so many at a time; what is refused is reported, everything beside it is taken."""
    for path, chunk in _chunks(lines, size):
        _post_chunk(path, chunk, post, report)
        progress(len(chunk))


def _chunks(lines: Iterator[Line], size: int) -> Iterator[tuple[str, list[Line]]]:
    """Runs of lines that go to the same place."""
    held: list[Line] = []
    weight = 0
    for line in lines:
        its_own = len(json.dumps(line[1]))
        if held and (len(held) == size or weight + its_own > LARGEST_CHUNK or path_of(held[0][1]) != path_of(line[1])):
            yield path_of(held[0][1]), held
            held, weight = [], 0
        held.append(line)
        weight += its_own
    if held:
        yield path_of(held[0][1]), held


def _post_chunk(path: str, chunk: list[Line], post: Post, report: Report) -> None:
    status, answer = post(path, [line for _, line in chunk])
    if status == 202:
        report.taken += answer["taken"]
        report.new += answer["new"]
        return
    wrong = _wrong_lines(chunk, answer) if status == 422 else {}
    if not wrong:
        raise Refused(f"The house answered {path} with {status}: {answer.get('detail', answer)}")
    report.refused |= wrong
    left = [line for line in chunk if line[0] not in wrong]
    if left:
        _post_chunk(path, left, post, report)


def _wrong_lines(chunk: list[Line], problem: dict[str, Any]) -> dict[int, str]:
    """What a 422 says of each line: its pointers begin with the place of the line in what was posted."""
    wrong: dict[int, str] = {}
    for entry in problem.get("errors", []):
        place, _, name = entry["pointer"].removeprefix("#/").partition("/")
        number = chunk[int(place)][0]
        wrong[number] = f"{wrong[number]} {name} {entry['detail']}".strip() if number in wrong else f"{name} {entry['detail']}".strip()
    return wrong


def http_post(base: str, patience: float, say: Callable[[str], None]) -> Post:
    """Posts to a house at a base URL; while it does not answer, says so and tries again for ``patience`` seconds.

    :raises Unreachable: it did not answer for that long.
    """

    def post(path: str, objects: list[dict[str, Any]]) -> tuple[int, Any]:
        waited = False
        body = json.dumps(objects, ensure_ascii=False).encode()
        ends = time.monotonic() + patience
        while True:
            asked = urllib.request.Request(base.rstrip("/") + path, body, {"Content-Type": "application/json"})  # noqa: S310
            try:
                with open_url(asked, 60) as answer:
                    return answer.status, json.load(answer)
            except (OSError, ValueError) as error:
                if isinstance(error, urllib.error.HTTPError) and error.code != BUSY:
                    return error.code, _answer(error.read())
                if not waited:
                    say(f"waiting up to {patience:.0f} s for {base} …")
                    waited = True
                if time.monotonic() > ends:
                    raise Unreachable(
                        f"{base} does not answer ({error}). Start it with `tripartite serve` and run the same import again: "
                        "what was taken is recognised."
                    ) from error
                time.sleep(0.5)

    return post


def _answer(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return {"detail": body[:200].decode(errors="replace")}
