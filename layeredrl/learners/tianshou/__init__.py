"""Tianshou's algorithms as learners."""
