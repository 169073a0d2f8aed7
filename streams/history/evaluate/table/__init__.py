"""One table over several data sets and tasks, and results that are kept so that a run that was ended goes on."""
