"""Facts -> Decision: two engines, one answer.

=================  =================================================================================================
decision.py        ``decide``: conclude, compare the engines, explain
completions.py     what could the missing facts still change? Exactly
engine.py          durable_rules in the shape that holds up; the only file that knows it
=================  =================================================================================================
"""

from shared.rules.decision import Decision, decide
from shared.rules.engine import check_engine_limits

__all__ = ["Decision", "check_engine_limits", "decide"]
