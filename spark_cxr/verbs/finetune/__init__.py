"""Fine-tuning, from folders to report: films → a network that has learned from them."""
