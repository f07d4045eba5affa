"""How a GAN runs, whatever its game: randomness, optimizers, averages, checkpoints, several processes."""
