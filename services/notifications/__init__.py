"""notifications: who has to hear of it, how, and did it reach them, exactly once?

* **Hears** placements, recipients, deadlines, milestones, assigned responsibilities, procurement routes and post moves.
* **Decides** who is told, at which contact, on which channel (``policies/alert-contacts.yaml``), whether it is news to them, and when
  it leaves (``policies/alert-pace.yaml``, and what its reader has chosen); and, asked by a person, who must be told of any matter of the
  five documents (``policies/who-is-told.yaml``).
* **Says** alert.sent, alert.failed, alert.bounced and alert.acknowledged.

An alert is one message to one party on one channel. ``decisions.py`` makes alerts of what ``consumers.py`` hears, ``letters.py`` words
them (``templates/<kind>/<channel>.<version>.txt``), ``senders/`` sends each of them once. ``pace.py`` says when one leaves, ``edits.py``
joins edits, ``gathering.py`` gathers digests, ``escalation.py`` sees that somebody has seen it. Start reading at ``app.py``.
"""
