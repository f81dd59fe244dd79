"""The Transformer once more, in loops over rows, heads and steps, from its description."""

import math

import torch
import torch.nn.functional as F


def embed_time(t, d_model):
    features = []
    for j in range(d_model // 2):
        angle = float(t) * math.exp(-2 * j * math.log(10000) / d_model)
        features += [math.sin(angle), math.cos(angle)]
    return torch.tensor(features)


class ReferenceTformer:
    """Takes a state_dict and one step of one row at a time; remembers ``window`` steps."""

    def __init__(self, state, *, n_layers, n_heads, window, activation=F.leaky_relu):
        self.state = {k.removeprefix("tformer."): v for k, v in state.items()}
        self.n_layers, self.n_heads, self.window = n_layers, n_heads, window
        self.activation = activation
        self.d_model = self.state["inp.weight"].shape[0]
        self.memory = {}

    def reset(self, row):
        for layer in range(self.n_layers):
            self.memory[row, layer] = []

    def linear(self, name, x):
        weight, bias = self.state[f"{name}.weight"], self.state.get(f"{name}.bias", 0)
        if f"{name}.gamma" in self.state:
            sigma = self.state[f"{name}.u"] @ weight @ self.state[f"{name}.v"]
            weight = self.state[f"{name}.gamma"] / sigma * weight
        return weight @ x + bias

    def norm(self, name, x):
        if f"{name}.norm.scale" in self.state:
            return (
                self.state[f"{name}.norm.scale"] * x / (x.square().mean() + 1e-5).sqrt()
            )
        if f"{name}.norm.weight" not in self.state:
            return x
        z = (x - x.mean()) / (x.var(unbiased=False) + 1e-5).sqrt()
        return z * self.state[f"{name}.norm.weight"] + self.state[f"{name}.norm.bias"]

    def attend(self, name, x, memory):
        n_heads, width = self.n_heads, self.d_model // self.n_heads
        projected = self.linear(f"{name}.qkv_projection", x)

        def entry(which, head):  # (3, E, H), heads fastest
            return torch.stack(
                [
                    projected[which * width * n_heads + e * n_heads + head]
                    for e in range(width)
                ]
            )

        memory.append([(entry(1, h), entry(2, h)) for h in range(n_heads)])
        del memory[: -self.window]
        merged = []
        for h in range(n_heads):
            scores = [entry(0, h) @ past[h][0] / math.sqrt(width) for past in memory]
            weights = torch.stack(scores).softmax(0)
            values = sum(
                w * past[h][1] for w, past in zip(weights, memory, strict=True)
            )
            merged.append(self.state[f"{name}.head_scaler"][0, 0, h, 0] * values)
        return self.linear(f"{name}.out_projection", torch.cat(merged))

    def step(self, row, x, t):
        table = self.state.get("position_embedding.embeddings.weight")
        position = embed_time(t, self.d_model) if table is None else table[int(t)]
        x = self.linear("inp", x) + position
        for i in range(self.n_layers):
            name = f"layers.{i}"
            normed = self.norm(f"{name}.norm1", x)
            memory = self.memory[row, i]
            attended = self.attend(f"{name}.attention_layer", normed, memory)
            x = x + self.norm(f"{name}.norm2", attended)
            hidden = self.linear(f"{name}.ff1", self.norm(f"{name}.norm3", x))
            hidden = self.norm(f"{name}.norm4", self.activation(hidden))
            x = x + self.linear(f"{name}.ff2", hidden)
        return self.norm("norm", x)

    def sequences(self, seq, time_idxs):
        """Encode whole sequences, (B, L, D), from empty memories."""
        out = []
        for row in range(len(seq)):
            self.reset(row)
            steps = zip(seq[row], time_idxs[row, :, 0], strict=True)
            out.append(torch.stack([self.step(row, x, t) for x, t in steps]))
        return torch.stack(out)
