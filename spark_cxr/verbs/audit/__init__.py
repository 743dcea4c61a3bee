"""The data audit: what a good figure on these films is worth."""
