"""Where instances run: one adapter per kind of place, all behind `engine.ports.Target`."""
