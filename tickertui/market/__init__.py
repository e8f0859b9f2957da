"""What the numbers mean: instruments, the board, chains, hours, valuation; pure, without I/O or clock reads.

Every other floor calculates with it. Imports numpy and nothing of this program but `frozen`.
"""
