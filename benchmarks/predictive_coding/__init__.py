"""The claims of the page on predictive-coding networks."""
