"""Films most like this one."""
