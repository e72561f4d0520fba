"""Setting up a checkout: `python -m scripts.setup`, called by the Makefile. Uses the standard library only."""
