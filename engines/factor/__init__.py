"""Factors of many instruments over many windows, and what a cross-section makes of them."""
