"""One file per layer: a backend in, a backend out."""
