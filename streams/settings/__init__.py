"""Every setting, what a setting may name, the weights of actions, and the errors for users. Imports no other room."""
