"""Where people and machines speak to Sluice: the grammar, the cards, the feed, the chats, and the composition root."""
