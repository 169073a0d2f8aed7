"""The recommender that runs in a worker as a contender of the judge: the same flow, in one process, without Kafka."""
