"""Threads and loops as parties of the wait-for graph.

What a thread is blocked on is read from its topmost frames (``reading``), who holds a thread's lock from the
blocks that other frames stand in (``holders``), who completes a future of ``concurrent.futures`` from the frames
of the workers, the queues of the executors and the futures' callbacks (``jobs``). ``graph`` extends the tasks'
wait-for graph by these, ``deadlock`` draws the conclusion.
"""
