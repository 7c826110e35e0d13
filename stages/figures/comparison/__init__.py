"""Pictures and the page of all runs."""

Runs = dict[str, dict[str, float]]  # by run: its metrics and its profile, in one dictionary
Datasets = dict[str, Runs]  # by data set
