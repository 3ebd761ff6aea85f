"""Steps in the published history, raised as alarms."""
