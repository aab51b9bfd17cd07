"""What can be proved of a policy before anyone asks it: over every admissible set of facts, on every day in force.

=================  =================================================================================================
space.py           facts as variables of z3; formulas, witnesses, boxes. The only file that knows z3
findings.py        ``check``: gaps, conflicts, dead rules, what is never concluded, the text as printed
differences.py     ``differences``: where two editions answer differently, with witnesses
=================  =================================================================================================

z3-solver is installed with ``requirements-dev.txt``; a service in operation does without it.
"""

from shared.proofs.differences import Difference, differences
from shared.proofs.findings import Finding, check

__all__ = ["Difference", "Finding", "check", "differences"]
