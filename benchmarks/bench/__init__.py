"""How fast the product is, as ratios measured side by side on one set of films."""
