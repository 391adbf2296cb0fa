"""What the bot's token has to be allowed to do; `deploy/slack-manifest.yaml` asks for exactly this."""

SCOPES: tuple[str, ...] = (
    "app_mentions:read",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:read",
    "im:history",
    "im:write",
)
