"""From the text of an expression to its syntax tree: tokens, grammar, macros, nodes."""
