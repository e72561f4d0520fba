"""`python main.py` is `bg-runner serve`; nothing else."""

import sys

from bg_runner.cli import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
