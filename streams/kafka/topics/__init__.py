"""The topics of a deployment: what each must be like, their limits, ids and the rights on them. Knows no worker."""
