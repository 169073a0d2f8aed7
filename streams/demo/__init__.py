"""`interestflow demo`: simulated users whose true interests are known, and a judge. Production never imports it."""
