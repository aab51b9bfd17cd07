"""responsibility: who owns this concern, the dean or the employer? Who decides, what must happen first, who must be told?

* **Hears** concerns, by pseudonymous reference only.
* **Decides** ``policies/concern.yaml``.
* **Says** responsibility.assigned, once the facts decide it.

Start reading at ``app.py``.
"""
