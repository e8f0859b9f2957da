"""From finished lines to the terminal: pacing, painting of changed lines, the driver, errors that stay in their place.

Screens and widgets inherit from what is here. The only room that touches private names of Textual, which is why
Textual is bound to the minor version; it imports no other room and no service.
"""
