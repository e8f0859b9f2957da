"""How things look: numbers and glyphs as text, styles, themes, charts of block characters.

Every room of the interface draws with it. Imports no other room and no service.
"""
