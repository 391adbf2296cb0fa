"""What must stay unread: sealed where it is kept, masked where it is shown, removed from what is logged."""
