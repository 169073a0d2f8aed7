"""Where streams of visits come from: the files of data sets, and the history on Kafka."""
