"""Detectors: one file a kind of finding. Each turns what was judged into frozen findings."""
