"""The data audit: what a good figure on these films is worth.

told (splits, names of labels) → twins, patients, sources (tables only: `summary`) → views (the
network, over altered films) → heads, shortcuts, steadiness, trust → audited (the whole job)
"""
