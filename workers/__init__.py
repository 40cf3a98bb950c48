"""Message in, work done: one module per operation, one runtime for all. Each is safe to run many times."""
