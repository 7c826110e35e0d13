"""How tables say that a run has no validation images."""

NONE = "none held out"
MEANING = (
    f"{NONE}: no figure to choose by; set validation_fraction of the data set in params.yaml, "
    "such as 0.1."
)
