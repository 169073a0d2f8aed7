"""The worker as a member of its consumer group: what we override of Faust's and aiokafka's consumer."""
