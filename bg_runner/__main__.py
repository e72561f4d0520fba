"""`python -m bg_runner` is `bg-runner`."""

from bg_runner.cli import main

if __name__ == "__main__":
    main()
