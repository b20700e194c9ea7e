"""What the agent costs, measured in fresh processes, against budgets: ``python -m benchmarks --help``."""
