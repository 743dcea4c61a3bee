"""Checks that need tables only: cheap enough for every training and comparison."""
