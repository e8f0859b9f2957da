"""What runs in the background, on anyio alone: the ticker loop and the services it supervises."""
