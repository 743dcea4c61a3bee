"""Films that arrive → one row each in a table that grows, whatever is killed on the way."""
