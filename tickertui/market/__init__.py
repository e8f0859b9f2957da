"""What the numbers mean: instruments, the board, chains, hours, valuation; pure, without I/O or clock reads."""
