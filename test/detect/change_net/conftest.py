"""Networks with random weights: what is tested here does not depend on the weights that ship."""

import pytest
import torch

from umad_patrol.detect.change_net.export import export
from umad_patrol.detect.change_net.graphs import INPUTS, fed
from umad_patrol.detect.change_net.network import ChangeNet
from umad_patrol.detect.change_net.weights import save_weights


def random_network(seed: int = 0, **options) -> ChangeNet:
    """A network in eval mode whose scores spread over [0, 1] and whose normalisations do something."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ChangeNet(**options).eval()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.2, 0.6)
                torch.nn.init.uniform_(module.weight, 0.7, 1.3)
                torch.nn.init.normal_(module.bias, 0, 0.1)
        torch.nn.init.normal_(network.out[-1].weight, 0, 2.0)
    return network.requires_grad_(False)


def needs_export() -> None:
    """Skip where no graph can be made."""
    for library in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library, reason=f"{library} is not installed: no ONNX graph can be made and checked")


@pytest.fixture(scope="session")
def network():
    return random_network()


@pytest.fixture(scope="session")
def other_network():
    return random_network(seed=1)


@pytest.fixture(scope="session")
def weights(network, tmp_path_factory):
    """A weights file with nothing beside it."""
    path = tmp_path_factory.mktemp("weights") / "site.safetensors"
    save_weights(network, path, {"made": "of noise"})
    return path


@pytest.fixture(scope="session")
def exported(network, tmp_path_factory):
    """A weights file with its ONNX graphs beside it."""
    needs_export()
    path = tmp_path_factory.mktemp("exported") / "site.safetensors"
    save_weights(network, path)
    export(path, path.parent, "onnx")
    return path


@pytest.fixture(scope="session")
def both_exported(network, other_network, tmp_path_factory):
    """Weights that hold a network that looks closer as well, with all ONNX graphs beside them."""
    needs_export()
    path = tmp_path_factory.mktemp("both") / "site.safetensors"
    save_weights(network, path, closer=other_network)
    export(path, path.parent, "onnx", whole=False)
    return path


@pytest.fixture(scope="session")
def in_8_bits(network, other_network, tmp_path_factory):
    """Weights of two networks with their graphs, exact and in 8 bits, beside them; ranges are those of noise."""
    needs_export()
    path = tmp_path_factory.mktemp("int8") / "site.safetensors"
    save_weights(network, path, closer=other_network)

    def samples(part, closer):
        generator, one = torch.Generator().manual_seed(3), other_network if closer else network
        for _ in range(6):
            query, reference = (torch.rand(1, 3, 64, 96, generator=generator) for _ in range(2))
            tensors = (query,) if part == "encode" else (*one.encode(query), *one.encode(torch.maximum(query, reference)), torch.ones(1, 1, 64, 96))
            yield fed(INPUTS[part], tensors)

    export(path, path.parent, "onnx", whole=False, samples=samples)
    return path


@pytest.fixture
def pictures():
    """`pictures(height, width)` is a query, a reference that differs in places, and a valid mask with a hole."""
    generator = torch.Generator().manual_seed(5)

    def make(height, width, count=1):
        query = torch.rand(count, 3, height, width, generator=generator)
        reference = torch.where(torch.rand(count, 1, height, width, generator=generator) > 0.7, 1 - query, query)
        valid = torch.ones(count, 1, height, width)
        valid[..., :height // 2, :width // 3] = 0
        return query, reference, valid

    return make
