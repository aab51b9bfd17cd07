"""What ``tripartite policies`` does; both halves of an answer, its data and its text, stand in one file for each subject.

=================  =================================================================================================
commands.py        the commands, their arguments and exit codes
text.py            show: a policy or a reference as text (as data: shared/policies/page.py)
proofs.py          check and diff: what z3 proves
cases.py           test: the cases of a policy, and what they exercise
impact.py          impact: who would be treated differently
coverage.py        coverage: the catalogue's entries and where they are encoded
editions.py        POLICY@DATE: an edition by name and day, or from a file
=================  =================================================================================================
"""
