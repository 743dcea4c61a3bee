"""Tables → tables: everything that Spark does."""
