"""Bytes → pixels: decoding, the one resize, what makes a film recognisable, and drawn films."""
