"""Widgets of our own: few, and drawn line by line, so that what they cost follows what is visible."""
