"""A recording as an account: for a terminal, for scripts, and as a page."""
