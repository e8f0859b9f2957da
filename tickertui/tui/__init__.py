"""What the trader sees: the Textual application."""
