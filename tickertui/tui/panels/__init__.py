"""Panels over the main screen: questions, lists, lines to type in, and what one leg says of itself.

Panes and the main screen open them and take their answers. They import `chain_grid` and what is below, no pane.
"""
