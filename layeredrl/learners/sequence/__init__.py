"""An actor-critic on a sequence model, in AMAGO's manner."""
