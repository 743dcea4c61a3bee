"""A first look at films."""
