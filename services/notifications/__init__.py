"""Who has to hear of it, how, and did it reach them, exactly once?

=========  ==========================================================================================================
hears      PlacementUpdated, PlacementWithdrawn, RecipientUpdated, ProcurementRouted, PostMoveDecided,
           DeadlineSet, DeadlineApproaching, DeadlineMet, DeadlineMissed, DeadlineWithdrawn, ResponsibilityAssigned
decides    who is told, at which contact, on which channel (policies/who-is-told.yaml); whether it is news to them
says       AlertSent, AlertFailed
=========  ==========================================================================================================

An alert is one message to one party on one channel. ``consumers.py`` hears, ``decisions.py`` makes alerts of it, ``letters.py``
words them (templates/<kind>/<channel>.txt), ``senders.py`` sends each of them once.
"""
