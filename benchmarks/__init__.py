"""Measurements of Bailiwick, each beside the peer it is compared with and held to a budget; run by ``python -m benchmarks``.

One module for each folder of ``src/bailiwick``. A module exposes ``FIGURES``, a dictionary from a figure's name to a function
without arguments that returns a `benchmarks.figure.Figure`, and may expose ``FULL``, the same for figures that take long.
"""
