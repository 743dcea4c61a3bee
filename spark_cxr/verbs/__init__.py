"""What the jobs run: a folder a verb."""
