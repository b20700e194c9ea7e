"""The agent: what runs inside the program, sees who waits for whom, and judges whether it will ever end."""
