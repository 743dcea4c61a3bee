"""A table of scores → its course week by week, and an alarm where a measure has moved."""
