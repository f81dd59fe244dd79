"""What is measured, one hot path per file."""
