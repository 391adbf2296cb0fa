"""Software packages, as machines reach them over HTTP and as people speak of them in chats."""
