"""Models and films → where on the films the decisions come from."""
