"""What the trader sees: the Textual application, in rooms.

The command `run` starts `app`, over `services_backend` as the one module that knows the running services. From above:
app; main; panes; panels; chain_grid; view; widgets; then look, terminal and keys beside each other.
"""
