"""Real clients against a real server.

story/*.txt are conversations: a paragraph says what is shown, `$` the command, then what must come
of it. `conversation` reads them, `world` plays them.
"""
