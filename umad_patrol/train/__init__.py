"""Training of the change network: data engine, distillation, losses, the loop."""
