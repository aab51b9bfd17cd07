"""eligibility: which procurement route must this contract take? May this training post move?

* **Hears** nothing yet: it is asked, over HTTP.
* **Decides** ``policies/procurement-route.yaml`` and ``policies/post-move.yaml``.
* **Says** procurement.routed and post-move.decided, for decisions that are recorded and decided.

Start reading at ``app.py``.
"""
