"""InterestFlow's stream: one room per idea. A room imports only from rooms before it in tests/test_house.py."""
