"""How the worker learns of items: what users' events say of them, and how it reaches every worker."""
