"""Write a trained policy as ONNX graphs, with all that running it takes; see `robomem.policy.runtime`."""
