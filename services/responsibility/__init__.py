"""responsibility: who owns this concern, the dean or the employer? Who decides, what must happen first, who must be told?

* **Hears** concerns, by pseudonymous reference only, and meetings with who was there.
* **Decides** who owns a concern (``policies/concern.yaml``) and, asked by a person, which step may be taken next
  (``concern-steps``), who does what (``lead-employer-split``, ``contract-roles``, ``lead-provider-structure``,
  ``conflict-of-interest``, ``recommendation-owner``); and whether a meeting was quorate (``quorum``).
* **Says** responsibility.assigned, once the facts decide it, and quorum.decided.

What is decided of a concern is ``decisions.py``, of a meeting ``quorum.py``. Start reading at ``app.py``.
"""
