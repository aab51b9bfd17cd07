"""notifications: who has to hear of it, how, and did it reach them, exactly once?

* **Hears** placements, recipients, deadlines, assigned responsibilities, procurement routes and post moves.
* **Decides** who is told, at which contact, on which channel (``policies/alert-contacts.yaml``), and whether it is news to them;
  and, asked by a person, who must be told of any matter of the five documents (``policies/who-is-told.yaml``).
* **Says** alert.sent and alert.failed.

An alert is one message to one party on one channel. ``decisions.py`` makes alerts of what ``consumers.py`` hears, ``letters.py`` words
them (``templates/<kind>/<channel>.<version>.txt``), ``senders.py`` sends each of them once. Start reading at ``app.py``.
"""
