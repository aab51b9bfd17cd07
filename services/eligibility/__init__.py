"""eligibility: which procurement route must this contract take? May this training post move? Which leadership offer fits this trainee?

* **Hears** nothing yet: it is asked, over HTTP.
* **Decides**, each in ``policies/<name>.yaml``:
  of a contract, which route it takes (``procurement-route``), what must be done and recorded before and after its award
  (``procurement-duties``, ``contract-duties``), whether it may go to market and be signed (``going-to-market``, ``contract-signing``),
  whether what happens meanwhile is in order (``procurement-conduct``), and whether its evaluation criteria are sound
  (``evaluation-criteria``), its term long enough (``contract-term``), its schedules populated (``contract-schedules``) and its record
  complete (``contract-record-complete``);
  of a training post, whether it may move (``post-move``) and what must hold when it does (``post-move-duties``), when its specialty's turn
  comes (``distribution-phase``), whether a trust may pay for it (``trust-funded-post``), what a post of the Expansion Programme is
  (``expansion-post``) and where specialist training is to be had (``specialist-training``);
  of leadership, what a trainee is to be offered (``leadership-offer``), and whether a programme keeps to the principles
  (``leadership-programme``) and the Ladder is complete (``leadership-ladder``).
* **Says** procurement.routed and post-move.decided, for decisions that are recorded and decided.

What the documents hold as data (prices, the contract's schedules, samples, figures, principles) is in ``reference/``.
Start reading at ``app.py``.
"""
