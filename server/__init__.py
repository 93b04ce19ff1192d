"""How the world reaches us: configuration, composition, HTTP, processes, the command line."""
