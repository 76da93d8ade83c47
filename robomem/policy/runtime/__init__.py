"""Serve a policy: numpy and ONNX Runtime only, so that it runs where nothing was trained."""
