"""What a model is, and its life before serving: types, errors, runtimes, the registry. No HTTP, no tasks."""
