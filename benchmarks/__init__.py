"""What the figures of the README rest on: everything that is compared runs here, at the same time, on this machine."""
