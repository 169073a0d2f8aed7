"""History read again: replay, audit and the loading of data sets. Runs beside the workers and never inside one."""
