"""What the stream learns of items from all users: signals, their fold into one state per item, and the shared table.

Pure: arrays in, arrays out. It knows no user, no topic and no Kafka; candidate sources of `recommend` read its table.
"""
