"""A fit that is killed on its way."""


class Killed:
    """Progress that dies once it was told so many times."""

    def __init__(self, after):
        self.after, self.seen = after, 0

    def update(self, fraction, text):
        self.seen += 1
        if self.seen > self.after:
            raise RuntimeError("killed")
