"""TD-MPC2: a world model, and a search in its latent space."""
