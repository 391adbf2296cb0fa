"""What chats deliver: kept, acknowledged, carried out once, and answered; what is pressed is found again."""
