"""`python -m neurodyn.cli` is the command `neurodyn`."""

from neurodyn.cli import main

if __name__ == "__main__":
    main()
