"""Experiments as programs: one run, or one per seed side by side."""
