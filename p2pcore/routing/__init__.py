"""Which replicas are asked, when another one is, and what that may cost."""
