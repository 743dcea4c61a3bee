"""A request → an answer: one process that holds a model and speaks the protocols of its callers.

connection (bytes of a socket, with deadlines) → guard (ids, token, headers, log, counters)
→ app, routes → bodies (what was sent → images) → batches (images → predictions, together)
→ service (heat maps) → answers (JSON)
"""
