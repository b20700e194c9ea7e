"""What is shown, worked out from a scene: plain functions that know no screen, and load none."""
