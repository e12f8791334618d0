"""The executable and what else is made of the program."""
