"""From arguments to parts of a hierarchy: learners, backbones, predictors, skills."""
