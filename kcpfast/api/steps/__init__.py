"""The steps that a request takes before a verb serves it, and the finishing of its answer."""
