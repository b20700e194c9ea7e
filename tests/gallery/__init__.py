"""The dashboard on live programs: ``python -m tests.gallery`` keeps its screens as SVG in ``docs/screens``."""
