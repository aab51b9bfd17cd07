"""A boundary without a crash point fails here: every function that commits, publishes or acknowledges has one, or says why not."""

import ast
from collections.abc import Iterator
from pathlib import Path

from shared.crashpoints import CRASHPOINTS
from tests.helpers import HOUSE

CALLS = {"transaction", "publish", "done", "done_alone", "basic_ack", "ack"}
"""What crosses a boundary: a transaction's end commits, the others tell the broker."""
WORKS = ("shared/*.py", "shared/bus/*.py", "services/*/**/*.py", "services/working.py", "services/house.py")
ANSWERS = ("api.py", "people.py", "shared/service.py", "shared/answers.py")
"""What answers a person: whoever asks sees that there was no answer, and asks again. The other files of services/ are commands."""
NEEDS_NONE = {
    "shared/bus/consuming.py:Subscriber._acknowledge": "Consumer.step passes its crash point before it lets a message be acknowledged",
    "shared/bus/consuming.py:_Open.done": "as above",
    "shared/bus/consuming.py:_Open.acknowledge": "as above",
    "shared/bus/embedded.py:Subscriber.done": "as above",
    "shared/bus/embedded.py:Subscriber.done_alone": "as above",
    "shared/outbox.py:waiting": "reads only",
    "shared/outbox.py:Relay._lease": "Relay.step passes relay.leased.unpublished as soon as it returns",
    "shared/outbox.py:Relay._renew": "lengthens a lease; a death on either side of it leaves the batch to whoever comes once it is over",
    "shared/outbox.py:Relay._stored": "reads only",
    "shared/outbox.py:Relay._release": "gives back what the broker may have; a death before it is one at relay.published.unconfirmed",
    "shared/outbox.py:Relay.forget": "takes away what is confirmed; a death before it leaves it to the next time",
    "shared/outbox.py:Relay.republish": "only at an embedded start, where a death leaves what the next start begins with",
    "services/deadlines/compliance/reading.py:files_on": "reads only",
    "services/notifications/senders/inbox.py:InboxSender.send": "stands between alert.claimed.unsent and alert.sent.unmarked",
    "services/notifications/senders/inbox.py:InboxSender.find": "reads only",
    "services/notifications/senders/delivery.py:_waited_on": "reads only",
    "services/notifications/senders/delivery.py:claim": "_round passes alert.claimed.unsent as soon as it returns",
    "services/notifications/senders/delivery.py:begin": "stands between alert.claimed.unsent and alert.sent.one: begun is not yet sent",
    "services/notifications/senders/delivery.py:mark": "send passes alert.sent.unmarked before it",
    "services/notifications/senders/delivery.py:give_back": "send passes alert.sent.one or alert.sent.unmarked before it",
    "services/notifications/senders/delivery.py:_keep_pace": "how fast a channel goes; nothing leaves here",
    "services/notifications/senders/delivery.py:settle_claims": "looks up again what it has not settled; nothing leaves here",
    "services/notifications/senders/delivery.py:doubt": "what is in doubt stays so until it is settled; nothing leaves here",
}
"""Functions that cross a boundary without a crash point of their own, and why none is needed."""


def functions(file: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function of a file, by its name in the house: ``shared/outbox.py:Relay.step``."""
    place = file.relative_to(HOUSE).as_posix()

    def within(node: ast.AST, path: tuple[str, ...]) -> Iterator[tuple[str, ast.FunctionDef]]:
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, ast.FunctionDef | ast.ClassDef)
            inner = (*path, child.name) if isinstance(child, ast.FunctionDef | ast.ClassDef) else path
            if isinstance(child, ast.FunctionDef):
                yield f"{place}:{'.'.join(inner)}", child
            yield from within(child, inner if named else path)

    return within(ast.parse(file.read_text(encoding="utf-8")), ())


def called(function: ast.FunctionDef) -> set[str]:
    """The names of what a function calls."""
    targets = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {
        target.attr if isinstance(target, ast.Attribute) else target.id
        for target in targets
        if isinstance(target, ast.Attribute | ast.Name)
    }


def test_every_boundary_of_a_worker_has_a_crash_point() -> None:
    files = [file for pattern in WORKS for file in sorted(HOUSE.glob(pattern)) if not file.as_posix().endswith(ANSWERS)]
    crossing = {name: calls for file in files for name, function in functions(file) if (calls := called(function)) & CALLS}
    assert {name for name, calls in crossing.items() if "crashpoint" not in calls} == NEEDS_NONE.keys()


def test_every_crash_point_of_the_code_is_one_that_is_tested() -> None:
    trees = [ast.parse(file.read_text(encoding="utf-8")) for folder in ("shared", "services") for file in (HOUSE / folder).rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "crashpoint"]
    assert {ast.literal_eval(call.args[0]) for call in calls} == set(CRASHPOINTS)
