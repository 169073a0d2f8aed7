"""Loops over columns of numbers as machine code, compiled by numba. Each has a numpy twin that gives the same bits."""
