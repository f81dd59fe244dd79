"""What every run goes through: arguments, training, evaluation, its folder."""
