"""Films and their classes → weights: a network from the catalog, or a user's own, learns here."""
