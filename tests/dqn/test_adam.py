"""The flat Adam takes the steps of torch's own."""

import torch

from dqn.adam import Adam


def test_its_steps_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(50, generator=generator)
    ours, theirs = start.clone(), torch.nn.Parameter(start.clone())
    adam, reference = Adam(ours, 0.01), torch.optim.Adam([theirs], lr=0.01)
    for number in range(1, 40):
        gradient = torch.randn(50, generator=generator) * 10.0 ** (number % 5 - 3)
        adam.count(number)
        adam.step(gradient)
        theirs.grad = gradient.clone()
        reference.step()

    torch.testing.assert_close(ours, theirs.detach(), atol=1e-5, rtol=0)


def test_the_first_step_has_the_size_of_the_learning_rate_whatever_the_gradient() -> None:
    weights = torch.zeros(3)
    adam = Adam(weights, 0.5)

    adam.count(1)
    adam.step(torch.tensor([1e-3, -20.0, 0.0]))

    torch.testing.assert_close(weights, torch.tensor([-0.5, 0.5, 0.0]), atol=1e-4, rtol=0)
