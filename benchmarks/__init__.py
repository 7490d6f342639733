"""Side by side with peers, and the claims of each system measured."""
