"""The verb evaluate: a model as it is on labelled films of another place."""
