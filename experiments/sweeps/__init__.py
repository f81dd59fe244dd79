"""Parts of hyper-parameter sweeps: what is tried, what a trial runs, what came of it."""
