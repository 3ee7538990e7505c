"""Whole machines: wiring, and the mapping of a network onto them."""
