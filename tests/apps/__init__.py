"""Real applications on real libraries and servers, each to be run by itself: ``python -m tests.apps.NAME``.

Laws:
- Each is written as its library's documentation would have it, and is healthy: under load, idle, and shut down by a
  signal. Where an application has a bug that a user could have written, it is there only with APP_BUG=1.
- It makes its own load, through real sockets, says ``idle`` when that is over, and ends by a signal only.
- Nothing here imports the agent, but for ``eager``.
"""
