"""Every setting, the weights of actions, and the errors for users. Knows no other room."""
