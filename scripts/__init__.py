"""Setting up and looking after a checkout. What `scripts.setup` imports uses the standard library only."""
