"""Gradient steps a second of a small double DQN (64 → 128 → 64 → 32): ours beside others and beside the limit.

All train on the same transitions, replay sampling included, on one thread, and take turns of a fraction of a second. On the CPU
seconds are those of the processor, so that waiting while other programs run counts for nobody."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from bench.report import Report, make_parser, read_options, say
from dqn.configuration import LearnerConfiguration
from dqn.learner import Learner
from dqn.replay import Replay, Transitions

SIZES = (64, 128, 64, 32)
ROWS = 20_000
DISCOUNT = 0.95
UPDATES_PER_TURN = 300
"""Enough that the replay is in the caches again after the turn of another."""
PASSES = 5
"""Forward online, forward of the next state online and target, and a backward pass that costs two forward ones."""


class Network(nn.Module):
    """The network of all contenders."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = make_layers()

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """Q of every action."""
        values: Tensor = self.layers(observation["state"])
        return values


def make_layers() -> nn.Sequential:
    """Linear layers with ReLU between them."""
    pairs = pairwise(SIZES)
    layers = [module for inputs, outputs in pairs for module in (nn.Linear(inputs, outputs), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def draw_transitions(seed: int) -> Transitions:
    """Transitions of no world in particular: speed does not depend on it."""
    generator = torch.Generator().manual_seed(seed)
    state, following = torch.randn(2, ROWS, SIZES[0], generator=generator)
    everything = torch.ones(ROWS, SIZES[-1], dtype=torch.bool)
    return Transitions(
        observation={"state": state},
        mask_BA=everything,
        action_B=torch.randint(SIZES[-1], (ROWS,), generator=generator),
        reward_B=torch.randn(ROWS, generator=generator),
        discount_B=torch.full((ROWS,), DISCOUNT),
        next_observation={"state": following},
        next_mask_BA=everything,
    )


Steps = Callable[[int], object]
"""Does so many gradient steps."""


def ours(batch_size: int, seed: int, device: str, *, is_captured: bool = True) -> Steps:
    """The learner with its whole update captured as one graph: the fastest way, which no slot takes (docs/learner.md)."""
    configuration = LearnerConfiguration(batch_size=batch_size, seed=seed, device=device, compile=is_captured, polyak=0.005)
    learner = Learner(Network(), configuration)
    replay = Replay.of(draw_transitions(seed), device)
    return lambda updates: learner.run(replay, updates)


def ours_as_the_service_trains(batch_size: int, seed: int, device: str) -> Steps:
    """As the service trains: recommender and composer."""
    return ours(batch_size, seed, device, is_captured=False)


def plain_loop(batch_size: int, seed: int, device: str) -> Steps:
    """A double DQN as a tutorial writes it, in twenty lines."""
    torch.manual_seed(seed)
    online, target = make_layers().to(device), make_layers().to(device)
    optimizer = torch.optim.Adam(online.parameters(), lr=1e-3)
    rows = draw_transitions(seed).to(device)
    state, following = rows.observation["state"], rows.next_observation["state"]

    def step() -> None:
        index = torch.randint(ROWS, (batch_size,), device=device)
        values = online(state[index]).gather(1, rows.action_B[index, None]).squeeze(1)
        with torch.no_grad():
            best = online(following[index]).argmax(1, keepdim=True)
            wanted = rows.reward_B[index] + rows.discount_B[index] * target(following[index]).gather(1, best).squeeze(1)
        loss = nn.functional.smooth_l1_loss(values, wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(online.parameters(), 10.0)
        optimizer.step()
        for old, new in zip(target.parameters(), online.parameters(), strict=True):
            old.data.lerp_(new.data, 0.005)

    def steps(updates: int) -> None:
        for _ in range(updates):
            step()

    return steps


def stable_baselines3(batch_size: int, seed: int, device: str) -> Steps:
    """Its DQN (single, not double: one forward pass less) on a buffer filled beforehand."""
    import gymnasium
    from stable_baselines3 import DQN
    from stable_baselines3.common.logger import configure

    class World(gymnasium.Env[np.ndarray, np.int64]):  # type: ignore[misc, unused-ignore]
        observation_space = gymnasium.spaces.Box(-10, 10, (SIZES[0],), np.float32)
        action_space = gymnasium.spaces.Discrete(SIZES[-1])

    layers = list(SIZES[1:-1])
    # tau and target_update_interval as in the other contenders: the target follows after each update.
    model = DQN(
        "MlpPolicy", World(), batch_size=batch_size, buffer_size=ROWS, seed=seed, device=device, tau=0.005,
        target_update_interval=1, policy_kwargs={"net_arch": layers},
    )  # fmt: skip
    model.set_logger(configure(None, []))
    rows = draw_transitions(seed)
    assert model.replay_buffer is not None
    for place in range(ROWS):
        model.replay_buffer.add(
            rows.observation["state"][place].numpy(),
            rows.next_observation["state"][place].numpy(),
            rows.action_B[place].numpy(),
            rows.reward_B[place].numpy(),
            np.array([False]),
            [{}],
        )

    def steps(updates: int) -> None:
        model.train(gradient_steps=updates, batch_size=batch_size)

    return steps


def d3rlpy(batch_size: int, seed: int, device: str) -> Steps:
    """Its double DQN on a data set of the same transitions."""
    import d3rlpy as library
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    library.seed(seed)
    rows = draw_transitions(seed)
    ends = np.zeros(ROWS, dtype=np.float32)
    ends[99::100] = 1.0
    dataset = library.dataset.MDPDataset(
        rows.observation["state"].numpy(), rows.action_B.numpy()[:, None], rows.reward_B.numpy()[:, None], ends,
        action_size=SIZES[-1],
    )  # fmt: skip
    encoder = library.models.VectorEncoderFactory(list(SIZES[1:-1]))
    algorithm = library.algos.DoubleDQNConfig(batch_size=batch_size, gamma=DISCOUNT, encoder_factory=encoder)
    model = algorithm.create(device=device)
    model.build_with_dataset(dataset)

    def steps(updates: int) -> None:
        for _ in range(updates):
            model.update(dataset.sample_transition_batch(batch_size))

    return steps


def limit(batch_size: int, seed: int, device: str) -> Steps:
    """Only the matrix products of the passes, one after another, into memory that is there already."""
    torch.manual_seed(seed)
    x = [torch.randn(batch_size, size, device=device) for size in SIZES]
    weights = [torch.randn(i, o, device=device) for i, o in pairwise(SIZES)]
    out = [torch.empty(batch_size, o, device=device) for o in SIZES[1:]]

    def steps(updates: int) -> None:
        for _ in range(updates * PASSES):
            for layer, weight in enumerate(weights):
                torch.mm(x[layer], weight, out=out[layer])

    return steps


CONTENDERS: dict[str, tuple[str | None, Callable[[int, int, str], Steps]]] = {
    "stable-baselines3": ("stable_baselines3", stable_baselines3),
    "d3rlpy": ("d3rlpy", d3rlpy),
    "plain loop": (None, plain_loop),
    "ours as the service trains": (None, ours_as_the_service_trains),
    "ours": (None, ours),
    "limit": (None, limit),
}
"""Name, the package it needs, and what makes it."""


def seconds_of(steps: Steps, updates: int, device: str) -> float:
    """What so many updates take."""
    if not device.startswith("cuda"):
        started = time.process_time()
        steps(updates)
        return time.process_time() - started
    started = time.perf_counter()
    steps(updates)
    torch.cuda.synchronize()
    return time.perf_counter() - started


def rates_of_one_seed(contenders: dict[str, Steps], device: str, turns: int) -> dict[str, float]:
    """Updates a second of each, from the median turn."""
    for steps in contenders.values():
        steps(UPDATES_PER_TURN)  # sets up, captures, warms the caches
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, steps in contenders.items():
            taken[name].append(seconds_of(steps, UPDATES_PER_TURN, device))
    return {name: UPDATES_PER_TURN / float(np.median(each)) for name, each in taken.items()}


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 256], metavar="N", help="batch sizes")
    options = read_options(parser)
    report = Report("learner_speed", options)
    torch.set_num_threads(1)
    turns = 2 if options.quick else 9
    there = {name: make for name, (package, make) in CONTENDERS.items() if package is None or importlib.util.find_spec(package)}
    for name in CONTENDERS:
        if name not in there:
            report.note(f"{name} is left out: it is not installed (pip install -e '.[bench]')")
    for batch_size in options.batch:
        rates: dict[str, list[float]] = {name: [] for name in there}
        for seed in range(options.seeds):
            contenders = {name: make(batch_size, seed, options.device) for name, make in there.items()}
            for name, rate in rates_of_one_seed(contenders, options.device, turns).items():
                rates[name].append(rate)
            say(f"batch {batch_size}, seed {seed}: " + ", ".join(f"{name} {each[-1]:.0f}/s" for name, each in rates.items()))
        add_rows(report, batch_size, rates)
    return report.finish()


def add_rows(report: Report, batch_size: int, rates: dict[str, list[float]]) -> None:
    """Rates of all, and ours over each other one, paired by seed."""
    for name, each in rates.items():
        report.add_samples(name, f"updates_per_second_at_{batch_size}", each)
    targets = {("stable-baselines3", 256): 1.5, ("d3rlpy", 256): 4.0, ("limit", 256): 0.5, ("stable-baselines3", 32): 3.0}
    for name, each in rates.items():
        if name != "ours":
            ratios = np.array(rates["ours"]) / np.array(each)
            report.add_samples(f"ours over {name}", f"ratio_at_{batch_size}", ratios, target=targets.get((name, batch_size)))
    for name in ("stable-baselines3", "d3rlpy"):
        if name in rates:
            ratios = np.array(rates["ours as the service trains"]) / np.array(rates[name])
            report.add_samples(f"ours as the service trains over {name}", f"ratio_at_{batch_size}", ratios)


if __name__ == "__main__":
    raise SystemExit(main())
