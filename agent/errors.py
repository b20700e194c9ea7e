"""What the agent raises into a program that asked for it."""


class DeadlockError(RuntimeError):
    """Raised in the task whose wait closed a deadlock, with ``UNSTUCK_ON_DEADLOCK=raise``.

    The message tells the whole story, as printed on the terminal.
    """
