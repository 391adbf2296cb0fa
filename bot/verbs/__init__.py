"""What people can say, by topic: a table each. `bot.grammar` puts them together."""
