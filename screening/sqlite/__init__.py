"""SQLite, with a turn to write that is looked for often: `base` is the engine that the settings name."""
