"""Those who tell others what happens to runs: channels, webhooks, people. They hold up nobody."""
