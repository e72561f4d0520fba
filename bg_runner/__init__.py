"""bg-runner: a self-hosted server for work that must go on when the browser tab is closed."""

__version__ = "0.1.0"
