"""The loops over what the stream learns of items; each has a twin in numpy or Python that gives the same bits."""
