"""The command line: `neurodyn inspect | fit | compare | demo | cite`."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    from neurodyn.cli.app import app

    app()


__all__ = ["main"]
