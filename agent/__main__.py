"""``python -m unstuck.agent``: the command line, for those whose PATH lacks ``unstuck``."""

from .cli import main

if __name__ == "__main__":
    main()
