"""Skills that were followed, a model that predicts them, and what they are worth."""

import numpy as np
import torch
from gymnasium import spaces
from scipy.special import logsumexp
from scipy.stats import norm

from layeredrl.objectives import SkillOutcomes, SkillSampler
from tests.toys import ensemble, reward_predictor

Z, C, STEPS = 3, 2, 4
BOX = spaces.Box(np.array([-1, 0.5], np.float32), np.array([1, 4], np.float32))
CHOICE = spaces.Discrete(5, start=2)
CPU = torch.device("cpu")


def sampler(space=BOX, seed=0):
    return SkillSampler(space, np.random.SeedSequence(seed), CPU)


def skill_predictor(space=BOX, whitens=True, seed=0):
    """Two members with three modes each, and changes that are mixed by whitening."""
    model = ensemble(Z, C, space, seed=seed, n_models=2, n_modes=3)
    g = torch.Generator().manual_seed(seed)
    for parameter in model.members.parameters():
        parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=g))
    made = reward_predictor(
        Z + C, (3, 4), model=model, delta_standardizer=whitens, seed=seed
    )
    if whitens:
        made.delta_standardizer.shape.data.normal_(generator=g)
        made.delta_standardizer.observe(torch.randn(50, Z, generator=g))
    return made


def skill_outcomes(space=BOX, n=8, seed=0):
    """Stretches of all lengths; half of them came to the end of their skill."""
    rng = np.random.default_rng(seed)
    length = rng.permutation(np.arange(n) % STEPS + 1)
    is_valid = np.arange(STEPS) < length[:, None]
    is_over = np.zeros((n, STEPS), bool)
    is_over[np.arange(0, n, 2), length[::2] - 1] = True
    g = torch.Generator().manual_seed(seed)
    return SkillOutcomes(
        skill=sampler(space, seed + 1).draw(n),
        start=torch.randn(n, Z, generator=g),
        context=torch.randn(n, C, generator=g),
        state=torch.randn(n, STEPS + 1, Z, generator=g),
        is_over=is_over,
        is_valid=is_valid,
    )


def others_of(drawing, skill, n_samples):
    """The skills that will be drawn next, with which nothing happens yet."""
    if isinstance(drawing.space, spaces.Discrete):
        every = np.eye(drawing.dim, dtype=np.float32)
        return np.stack([every[one.numpy() == 0] for one in skill])
    state = drawing.generator.get_state()
    drawn = drawing.draw(len(skill), n_samples).numpy()
    drawing.generator.set_state(state)
    return drawn


def log_density(predictor, start, context, skill, reached, std):
    """Of one standardised change, by the formula; nats."""
    with torch.no_grad():
        found = predictor.model.predict(
            start[None], context[None], torch.as_tensor(skill)[None]
        )
        matrix = getattr(predictor.delta_standardizer, "matrix", torch.eye(Z))
    matrix, start, reached = (x.double().numpy() for x in (matrix, start, reached))
    change = (reached - start) @ matrix
    modes = []
    for member in range(found.mean.shape[1]):
        for mode in range(found.mean.shape[2]):
            mean = (found.mean[0, member, mode].double().numpy() - start) @ matrix
            weight = float(found.weights[0, member, mode]) / found.mean.shape[1]
            modes.append(np.log(weight) + norm.logpdf(change, mean, std).sum())
    return logsumexp(modes)


def ratio_by_formula(predictor, start, context, skill, others, reached, std):
    """Log q(s'|s, c, z) less the log of its mean over z and the others."""
    densities = [
        log_density(predictor, start, context, one, reached, std)
        for one in (skill.numpy(), *others)
    ]
    return densities[0] - (logsumexp(densities) - np.log(len(densities)))


class CountedPredictor:
    """Counts the rows for which its model is asked."""

    def __init__(self, predictor):
        self._predictor = predictor
        self.rows = []

    def predict_standardized(self, state, context, action):
        self.rows.append(len(state))
        return self._predictor.predict_standardized(state, context, action)

    def __getattr__(self, name):
        return getattr(self._predictor, name)
