"""Change networks of others, built from their papers: to compare speed with, and to train on the same data.

Each is `Network(classes)` with `forward(query, reference)`: two pictures `(N, 3, H, W)` float RGB in [0, 1] of any size to
logits `(N, classes, H, W)`. Weights are random.
"""

from umad_patrol.evaluate.peers.registry import PEERS, make_peer

__all__ = ["PEERS", "make_peer"]
