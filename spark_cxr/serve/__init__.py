"""A request → an answer: one process that holds a model and speaks the protocols of its callers.

connection (bytes of a socket, with deadlines, in a table of all connections)
→ guard (hosts, ids, token, headers, log, counters) → app (the routes)
→ bodies (images, or a refusal) → batches (images → predictions; what may take long, apart)
→ service (heat maps) → answers (JSON)
"""
