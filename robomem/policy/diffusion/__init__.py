"""The head of a diffusion policy: a denoiser of action chunks, its losses, and guidance while sampling."""
