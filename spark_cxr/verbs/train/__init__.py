"""Training and testing a head on feature vectors."""
