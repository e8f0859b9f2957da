"""What panes show, as values: frames of a chain, states of data, problems, fields, and the backend they are read from.

Read by panes, panels and the main screen for each frame. Imports the values of the services and `widgets` for rows and
spans; no screen.
"""
