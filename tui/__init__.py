"""The live terminal dashboard: shows frozen snapshots and findings that a socket brings, never live tasks."""
