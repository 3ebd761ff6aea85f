"""How long a peer may take, at every edge of sockets."""

__all__ = ["FRAME_STALLS", "LINGER_S", "NOT_READ", "TICK_S"]

FRAME_STALLS = 6  # time-outs for a whole frame: with the default 5 s, 1 MiB at 290 kbit/s
LINGER_S = 1.0  # for a peer to take our goodbye
NOT_READ = "it does not read what it asked for"
TICK_S = 0.5  # how late a stalled handshake or frame may be noticed
