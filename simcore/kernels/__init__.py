"""Numba loops, each beside the short numpy twin that is its specification."""
