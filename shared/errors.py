"""Every error that Tripartite raises on purpose. The tree is this docstring::

    TripartiteError                 what was wrong, what would be right, where to look
    ├── InvalidSettings             one or more TRIPARTITE_* settings cannot be used; all of them named at once
    ├── PolicyError                 a policy file is wrong: file, line, what was wrong, what would be right
    ├── Refused                     the caller's input cannot be used; carries an HTTP status
    │   ├── UnknownPolicy           404
    │   ├── UnknownDecision         404
    │   ├── UnknownResource         404
    │   ├── InvalidFacts            422, one entry per field
    │   ├── NotInForce              422, the policy has no rules on that day
    │   ├── BeyondCalendar          422, a working day would have to be counted on days whose bank holidays are not known
    │   ├── MalformedEvent          422, one entry per field; on the bus the message goes to the quarantine
    │   │   └── UnknownEventType    a CloudEvent of a type that shared/events.py does not have; on the bus it is skipped and counted
    │   ├── NotAllowed              401, the caller did not show the token that this needs
    │   ├── IdempotencyConflict     409, the key was used with another body
    │   ├── NotAsThingsStand        409, what is asked for makes no sense in the state that the thing is in
    │   ├── ChangedMeanwhile        412, If-Match names another state than the one that the thing is in
    │   └── NotSaidWhich            428, a change must say which version it was made of (If-Match)
    ├── DecisionError               the product itself is at fault; HTTP 500, counted, nothing is stored
    │   ├── EnginesDisagree         durable_rules and the evaluator gave different rules
    │   ├── EngineFailure           durable_rules could not be driven
    │   ├── PolicyConflict          two rules conclude different things for the same facts
    │   └── PolicyGap               no rule concludes anything for these facts
    └── Unreachable                 a broker, database or server that is needed does not answer, or not as agreed; exit code 3
        ├── WrongTopology           the broker has a queue or exchange that is not as shared/topology.py has it
        ├── MissingMigration        the database is not at the migration that the code needs
        ├── ChannelAway             who carries alerts takes none for now; none is lost, none is sent twice
        ├── Unconfirmed             the broker did not confirm what was published; all of it is published again
        └── LeaseLost               a relay was so slow that another took over; nothing is lost by it

Errors of the outside world (SQLAlchemy's, kombu's) are left as they are: an outage is retried, not renamed.
"""

from collections.abc import Mapping


class TripartiteError(Exception):
    """The base of the tree. ``str(error)`` is one message a person can act on."""


class InvalidSettings(TripartiteError):
    """Settings that cannot be used.

    :param problems: setting name (``TRIPARTITE_PORT``) -> what is wrong and what would be right.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        lines = [f"{name}: {problem}" for name, problem in self.problems.items()]
        super().__init__("These settings cannot be used; see shared/config.py for each:\n  " + "\n  ".join(lines))


class PolicyError(TripartiteError):
    """A policy, facts or sources file that cannot be used.

    :param file: the file as the person knows it (``services/eligibility/policies/post-move.yaml``).
    :param line: 1-based line, or None where no line is to blame.
    """

    def __init__(self, file: str, line: int | None, problem: str) -> None:
        self.file, self.line, self.problem = file, line, problem
        super().__init__(f"{file}{f', line {line}' if line else ''}: {problem}")


class Refused(TripartiteError):
    """The caller's input cannot be used. ``status`` is the HTTP status, ``title`` its short name (RFC 9457)."""

    status = 422
    title = "The request cannot be used"

    def __init__(self, detail: str, errors: Mapping[str, str] | None = None) -> None:
        self.detail, self.errors = detail, dict(errors or {})
        super().__init__(detail + "".join(f"\n  {field}: {problem}" for field, problem in self.errors.items()))


class UnknownPolicy(Refused):
    """No policy of that name in this service."""

    status, title = 404, "Unknown policy"


class UnknownDecision(Refused):
    """No decision of that id was stored by this service."""

    status, title = 404, "Unknown decision"


class UnknownResource(Refused):
    """No such placement, case, alert … in this service."""

    status, title = 404, "Not found"


class InvalidFacts(Refused):
    """Facts that are malformed, out of their domain or not the policy's. ``errors`` has one entry per field."""

    title = "Some facts cannot be used"


class NotInForce(Refused):
    """The policy has no rules in force on the day asked about."""

    title = "No rules in force on that day"


class BeyondCalendar(Refused):
    """A working day would have to be counted on days whose bank holidays are not known (``shared/policies/calendars.py``)."""

    title = "Bank holidays not known"


class MalformedEvent(Refused):
    """A message that is not one of the events of shared/events.py. ``errors`` has one entry per field."""

    title = "The event cannot be used"


class UnknownEventType(MalformedEvent):
    """A usable CloudEvent of a type that shared/events.py does not have: of a newer producer, perhaps."""


class NotAllowed(Refused):
    """The caller did not show the token that this needs."""

    status, title = 401, "A token is needed"


class IdempotencyConflict(Refused):
    """The Idempotency-Key was used before with another body."""

    status, title = 409, "Idempotency-Key already used"


class NotAsThingsStand(Refused):
    """What is asked for makes no sense in the state that the thing is in: a waiver of what was met, say."""

    status, title = 409, "Not possible as things stand"


class ChangedMeanwhile(Refused):
    """The caller has seen another state (``If-Match``) than the one that the thing is in."""

    status, title = 412, "Changed meanwhile"


class NotSaidWhich(Refused):
    """A change must say which version it was made of."""

    status, title = 428, "If-Match is missing"


class DecisionError(TripartiteError):
    """The product itself is at fault. Nothing is stored; the failure is counted."""


class EnginesDisagree(DecisionError):
    """durable_rules and the three-valued evaluator fired different rules for the same facts."""


class EngineFailure(DecisionError):
    """durable_rules answered in a way that the safe shape does not allow."""


class PolicyConflict(DecisionError):
    """Two surviving rules conclude different values for one outcome field."""


class PolicyGap(DecisionError):
    """No rule concludes a field that the outcome needs."""


class Unreachable(TripartiteError):
    """Something that is needed does not answer: says what, where, and what to do."""


class WrongTopology(Unreachable):
    """The broker's queue, exchange or binding, or the way to it, is not as agreed or may not be used: says what, and how to mend it."""


class MissingMigration(Unreachable):
    """The database is not at the migration that the code needs."""


class ChannelAway(Unreachable):
    """Who carries alerts takes none for now. What it was not given an answer for has not left.

    :param seconds: how long to leave it alone.
    """

    def __init__(self, words: str, seconds: float = 30) -> None:
        self.seconds = seconds
        super().__init__(words)


class Unconfirmed(Unreachable):
    """The broker refused, returned or did not confirm what was published. It is published again."""


class LeaseLost(Unreachable):
    """A relay took longer than its lease, and another has taken over what it was publishing."""
