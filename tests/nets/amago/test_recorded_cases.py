"""Given AMAGO's weights, the networks give AMAGO's outputs and gradients."""

import re

import pytest
import torch

from layeredrl.nets.actor_critic import gammas_as_input_seq
from layeredrl.nets.transformer import FlashAttention
from tests.nets.amago.recorded import Recording, functional, names

CPU = torch.device("cpu")


def same_stream_or_skip(seed, recorded, high):
    """Other versions of torch may draw other numbers, which says nothing of us."""
    torch.manual_seed(seed)
    if not torch.equal(torch.randint(0, high, recorded.shape).float(), recorded):
        pytest.skip("this torch draws other random numbers")


def clock(batch, length, start=0):
    return torch.arange(start, start + length).view(1, length, 1).repeat(batch, 1, 1)


@pytest.mark.parametrize("name", names("state_dict/"))
def test_state_dict_names_shapes_and_types(name):
    recording = Recording(name)
    module = recording.build()
    state = {
        k: [list(v.shape), str(v.dtype).removeprefix("torch.")]
        for k, v in module.state_dict().items()
    }
    assert state == recording["shapes"]
    trainable = [k for k, p in module.named_parameters() if p.requires_grad]
    assert sorted(trainable) == recording["trainable"]


@pytest.mark.parametrize("name", [n for n in names("cnn/") if "CNN[" in n])
def test_cnn(name):
    recording = Recording(name)
    cnn = recording.build().eval()
    assert torch.equal(cnn.blank_img, recording["out blank_img"])
    obs = recording["in uint8"]
    recording.check("out uint8 forward", cnn(obs))
    maps = cnn(obs, flatten=False)
    recording.check("out flatten=False: shape", list(maps.shape))
    assert torch.equal(maps.flatten(2), cnn(obs))
    obs = recording["in float"].requires_grad_()
    features = cnn(obs, from_float=True)
    recording.check("out from_float forward", features)
    functional(features).backward()
    recording.check_grads("grad gradients", cnn, pictures=obs)
    first = obs[0] if cnn.channels_first else obs[0].permute(0, 3, 1, 2)
    recording.check("out conv_forward", cnn.conv_forward(first))


@pytest.mark.parametrize("name", names("cnn/DrQv2Aug"))
def test_augmentation(name):
    recording = Recording(name)
    augmentation = recording.build()
    x = recording["in x"].float() / 128 - 1
    for seed in range(3):
        same_stream_or_skip(seed, recording[f"note stream {seed}"], 5)
        torch.manual_seed(seed)
        recording.check(f"out torch seed {seed}", augmentation(x), atol=1e-5)
        next_draw = int(torch.randint(0, 10**6, ()))
        recording.check(f"out the next draw after torch seed {seed}", next_draw)


@pytest.mark.parametrize("name", names("tstep/FFTstepEncoder"))
def test_ff_tstep_encoder(name):
    recording = Recording(name)
    encoder = recording.build()
    recording.check("out emb_dim", encoder.emb_dim)
    obs = recording["in eval"]
    rl2s = obs.pop("rl2s")
    log = {}
    out = encoder.eval()(obs, rl2s, log_dict=log)
    recording.check("out eval forward", out)
    assert log == {}
    encoder.train()
    for i in (1, 2, 3):
        obs = recording[f"in train {i}"]
        rl2s = obs.pop("rl2s")
        recording.check(f"out train forward {i}", encoder(obs, rl2s))
        recording.check_state(f"state after train forward {i}", encoder)
    rl2s.requires_grad_()
    functional(encoder.eval()(obs, rl2s)).backward()
    recording.check_grads("grad gradients", encoder, rl2s=rl2s)


@pytest.mark.parametrize("name", names("tstep/CNNTstepEncoder"))
def test_cnn_tstep_encoder(name):
    recording = Recording(name)
    encoder = recording.build()
    recording.check("out emb_dim", encoder.emb_dim)
    for batch in (4, 1):
        if f"in pictures {batch}" not in recording:
            continue
        obs = {encoder.obs_key: recording[f"in pictures {batch}"]}
        rl2s = recording[f"in rl2s {batch}"]
        log = {}
        out = encoder.eval()(obs, rl2s, log_dict=log)
        if f"out eval forward, batch of {batch}" in recording:
            recording.check(f"out eval forward, batch of {batch}", out)
            recording.check(f"out log_dict, batch of {batch}: keys", sorted(log))
            for key, value in log.items():
                logged = f"out log_dict, batch of {batch}[{key}]"
                recording.check(logged, value, atol=1e-4)
        if encoder.drqv2_aug:
            same_stream_or_skip(5, recording[f"note stream {batch}"], 9)
        torch.manual_seed(5)
        out = encoder.train()(obs, rl2s)
        if f"out train forward, torch seed 5, batch of {batch}" in recording:
            key = f"out train forward, torch seed 5, batch of {batch}"
            recording.check(key, out, atol=1e-4)
        if batch == 4:
            functional(out).backward()
            recording.check_grads("grad gradients", encoder)


def check_training_passes(recording, encoder):
    """Replay all recorded training passes, in their order."""
    encoder.train()
    n = 0
    for key in list(recording._data):
        match = re.fullmatch(r"out (training pass \d, from step (\d+))", key)
        if match is None:
            continue
        n += 1
        name, start = match[1], int(match[2])
        seq = recording["in training sequence" + (f" #{n}" if n > 1 else "")]
        seq.requires_grad_()
        out = encoder(seq, clock(*seq.shape[:2], start))[0]
        recording.check(key, out)
        encoder.zero_grad()
        functional(out).backward()
        recording.check_grads(f"grad gradients of {name}", encoder, sequence=seq)
        recording.check_state(f"state after {name}", encoder)
    encoder.eval()


def check_steps(recording, encoder):
    """Replay all recorded rollouts, step by step."""
    keys = [k for k in recording._data if re.fullmatch(r"out \d+ steps.*", k)]
    for key in keys:
        name = key.removeprefix("out ")
        seq, dones = recording[f"in {name}"], recording[f"in {name} dones"]
        batch = seq.shape[1]
        hidden = encoder.init_hidden_state(batch, CPU)
        time, outputs = torch.zeros(batch, 1, 1, dtype=torch.long), []
        for t, step in enumerate(seq):
            with torch.no_grad():
                out, hidden = encoder(step, time.clone(), hidden)
            outputs.append(out)
            time += 1
            if dones is not None:
                hidden = encoder.reset_hidden_state(hidden, dones[t].numpy())
                time[dones[t]] = 0
        recording.check(key, torch.stack(outputs))


@pytest.mark.parametrize("name", [n for n in names("traj/") if "learnable" not in n])
def test_traj_encoder(name):
    recording = Recording(name)
    encoder = recording.build()
    if "out emb_dim" in recording:
        recording.check("out emb_dim", encoder.emb_dim)
    check_training_passes(recording, encoder)
    check_steps(recording, encoder)
    if "in eval" in recording:
        seq = recording["in eval"]
        out, hidden = encoder(seq, clock(*seq.shape[:2]))
        whole = "out eval-mode pass over the whole sequence"
        recording.check(whole if whole in recording else "out eval forward", out)
        if "out its hidden state" in recording:
            recording.check("out its hidden state", hidden)


@pytest.mark.parametrize("name", [n for n in names("traj/Tformer") if "learn" not in n])
def test_default_attention_gives_the_same(name):
    recording = Recording(name)
    encoder = recording.build(attention_type=FlashAttention)
    check_training_passes(recording, encoder)
    check_steps(recording, encoder)


def test_learnable_position_embedding():
    recording = Recording("traj/TformerTrajEncoder: learnable position embedding")
    encoder = recording.build(max_time_idx=64).train()
    seq = recording["in x"].requires_grad_()
    out = encoder(seq, clock(3, 9, 3))[0]
    recording.check("out training pass", out)
    functional(out).backward()
    inp = encoder.tformer.inp
    recording.check_grads("grad gradient of the input projection", inp, x=seq)
    table = encoder.tformer.position_embedding.embeddings.weight
    rows = table.grad[3:12].flatten()
    some = rows[torch.linspace(0, rows.numel() - 1, 256).long()]
    recording.check("out gradient of the table", some, atol=1e-4, rtol=1e-3)
    check_steps(recording, encoder.eval())


@pytest.mark.parametrize("name", names("actor/"))
def test_actor(name):
    recording = Recording(name)
    actor = recording.build().eval()
    recording.check("out actions_differentiable", actor.actions_differentiable)
    state = recording["in state"].requires_grad_()
    log = {}
    dist = actor(state, log_dict=log)
    recording.check("out log_dict: keys", sorted(log))
    for key, value in log.items():
        recording.check(f"out log_dict[{key}]", value, atol=1e-4)
    log_prob = dist.log_prob(recording["in actions"])
    objective = log_prob
    if actor.discrete:
        recording.check("out probs", dist.probs, atol=1e-6)
        recording.check("out logits", dist.logits)
        recording.check("out entropy", dist.entropy())
        recording.check("out log_prob", log_prob)
        objective = log_prob + 0.3 * dist.entropy()
    else:
        key = "out log_prob of recorded actions"
        recording.check(key, log_prob, atol=1e-4, rtol=1e-3)
        recording.check("out mean", dist.mean)
    functional(objective).backward()
    key = "grad log_prob gradients"
    recording.check_grads(key, actor, tol=2e-3, state=state)
    sample = dist.sample()
    what = [list(sample.shape), str(sample.dtype)]
    recording.check("out sample: shape and dtype", what)


def test_a_fresh_sample_is_scored_at_its_own_value():
    recording = Recording("actor/TanhGaussian[output x1]")
    dist = recording.build().eval()(recording["in state"])
    torch.manual_seed(2)
    sample = dist.rsample()
    if not torch.allclose(sample, recording["note rsample"], atol=1e-5):
        pytest.skip("this torch draws other random numbers")
    key = "note log_prob of its own rsample"
    recording.check(key, dist.log_prob(sample), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", names("critic/NCritics["))
def test_critics(name):
    recording = Recording(name)
    critics = recording.build().eval()
    recording.check("out len", len(critics))
    state = recording["in state"].requires_grad_()
    action = recording["in action"].requires_grad_()
    values = critics(state, action)
    recording.check("out values", values)
    functional(values).backward()
    recording.check_grads("grad gradients", critics, state=state, action=action)


def test_two_hot_critics():
    recording = Recording("critic/NCriticsTwoHot[no symlog,-5..20,33 bins]")
    critics = recording.build().eval()
    recording.check("out len", len(critics))
    state = recording["in state"].requires_grad_()
    action = recording["in action"].requires_grad_()
    dist = critics(state, action)
    recording.check("out probs", dist.probs, atol=1e-6)
    values = critics.bin_dist_to_raw_vals(dist)
    recording.check("out bin_dist_to_raw_vals", values, rtol=2e-3)
    (dist.logits[..., 3].sum() + 0.01 * functional(values)).backward()
    recording.check_grads(
        "grad gradients", critics, tol=5e-3, state=state, action=action
    )


@pytest.mark.filterwarnings("ignore:return bounds")
def test_two_hot_labels():
    recording = Recording("critic/NCriticsTwoHot labels[default bins]")
    critics = recording.build()
    recording.check("note bin_vals", critics.bin_vals, atol=1e-5)
    labels = critics.raw_vals_to_labels(recording["in values"])
    recording.check("out labels", labels, atol=2e-3, rtol=1e-3)
    dist = torch.distributions.Categorical(probs=recording["out labels"])
    values = critics.bin_dist_to_raw_vals(dist)
    key = "out value of the recorded labels"
    recording.check(key, values, atol=1e-3, rtol=5e-3)


def test_gammas_as_input_seq():
    recording = Recording("critic/gammas_as_input_seq")
    gammas = torch.tensor([0.0, 0.5, 0.9, 0.99, 0.999, 0.99999, 1.0])
    for batch, length in ((1, 1), (3, 5), (5, 2)):
        key = f"out batch {batch}, length {length}"
        recording.check(key, gammas_as_input_seq(gammas, batch, length), rtol=1e-3)
    other = gammas_as_input_seq(torch.tensor([0.3, 0.7]), 3, 5)
    recording.check("out other gammas, same sizes", other)


def test_popart_layer():
    recording = Recording("popart/PopArtLayer[beta=0.05,init_nu=1]")
    layer = recording.build()
    recording.check_state("state at start", layer)
    recording.check("out sigma at start", layer.sigma)
    q = recording["in q"]
    for i in range(6):
        val, nth = recording[f"in val {i}"], f" #{i + 1}" if i else ""
        layer.update_stats(val, recording[f"in mask {i}"])
        recording.check_state(f"state after update {i + 1}", layer, atol=1e-4)
        recording.check("out sigma" + nth, layer.sigma, atol=1e-4)
        normalized = layer.normalize_values(val)
        recording.check("out normalize_values" + nth, normalized, atol=1e-4)
        recording.check("out forward(normalized=True)" + nth, layer(q), atol=1e-4)
        raw = layer(q, normalized=False)
        recording.check("out forward(normalized=False)" + nth, raw, atol=1e-2)
    recording.check("out float64 in, float64 out", layer(q.double()), atol=1e-4)
    half = layer.normalize_values(q.half())
    recording.check("out half in, half out", half, atol=1e-2, rtol=1e-2)
    q.requires_grad_()
    functional(layer(q, normalized=False)).backward()
    recording.check_grads("grad gradients", layer, x=q)


def test_no_recorded_case_is_left_out():
    families = (
        "state_dict/",
        "cnn/",
        "tstep/",
        "traj/",
        "actor/",
        "critic/",
        "popart/",
    )
    listed = {name for family in families for name in names(family)}
    assert listed == set(names("")) and len(listed) == 34
