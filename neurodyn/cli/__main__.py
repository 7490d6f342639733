"""`python -m neurodyn.cli` is the command `neurodyn`."""

from neurodyn.cli import main

main()
