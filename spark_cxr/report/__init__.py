"""Numbers → pages: what was computed elsewhere, drawn and wrapped in one self-contained file."""
