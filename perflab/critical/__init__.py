"""If a function cost nothing, how long would operations take? In virtual time."""
