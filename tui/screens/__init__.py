"""The screens of the dashboard. What they show is worked out in ``views``."""
