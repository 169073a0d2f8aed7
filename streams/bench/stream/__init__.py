"""`interestflow bench stream`: the running worker beside other engines, on one local Apache Kafka."""
