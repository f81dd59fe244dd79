"""Going back to trained agents: from run folders and checkpoints to what acts."""
