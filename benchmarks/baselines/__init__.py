"""What Chorus is compared with. Each is a small program that says at which address it is ready, and ends at SIGTERM."""
