"""What `--help` teaches: each command in a sentence or two, with examples that work."""

__all__ = [
    "BACKUP",
    "CHECK",
    "COMPACT",
    "COMPLETION",
    "DELETE",
    "GET",
    "KEYGEN",
    "KEYGEN_IDENTITY",
    "KEYGEN_NETWORK",
    "LIST",
    "PUT",
    "QUICK_START",
    "RESTORE",
    "SERVE",
    "STATS",
]

QUICK_START = """\
An encrypted, replicated key/value store of many equal nodes.

quick start, a network of one node:
  p2pcore serve --listen 127.0.0.1:4100 --replicas 1
  p2pcore put greeting hello --via 127.0.0.1:4100
  p2pcore get greeting --via 127.0.0.1:4100

three nodes or more, each record on three of them:
  p2pcore serve --listen 127.0.0.1:4100
  p2pcore serve --join 127.0.0.1:4100     (once for each further node)

a network of your own:
  p2pcore keygen network -o network.key   (then --network-key-file network.key everywhere)
"""

SERVE = """\
Run a node in the foreground: listen, join the network, keep its share of the records.
Once it has joined, it prints one line, `serving HOST:PORT as ID`; its log goes to stderr.
SIGINT or SIGTERM makes it leave the network and exit with 0; a second signal ends it at once.
With --data-dir it keeps its identity and its records there, each on disk before it is
acknowledged; without, all is in memory and gone when it ends. The log says which.
With --workers there is a line for each, `worker NUMBER serving HOST:PORT as ID`. A worker that
cannot start ends all; one that dies later is started again. Note that workers share a machine:
what it takes down with it may be all copies of a record.

  p2pcore serve --listen 10.0.0.1:4100 --data-dir /var/lib/p2pcore \\
      --network-key-file network.key
  p2pcore serve --listen 10.0.0.2:4100 --join 10.0.0.1:4100 \\
      --network-key-file network.key
  p2pcore serve --listen 127.0.0.1:4100 --workers 4     (a network at ports 4100 to 4103)
"""

PUT = """\
Store a value under a key; succeeds once a write quorum of replicas has confirmed it. The value
is the argument, a file's content, or all of standard input, byte for byte; it may be empty.

  p2pcore put greeting 'good morning' --via 10.0.0.1:4100
  p2pcore put session/42 open --ttl 3600 --via 10.0.0.1:4100 --via 10.0.0.2:4100
  p2pcore put users/ann 'Ann' --listed --via 10.0.0.1:4100     (`list` finds it)
  p2pcore put logo --file logo.png --via 10.0.0.1:4100
  tar c etc | p2pcore put backup/etc - --via 10.0.0.1:4100
  p2pcore put --via 10.0.0.1:4100 -- -key-with-a-dash -value-with-a-dash
"""

GET = """\
Write the newest value of a key to stdout: exactly its bytes (a terminal gets a line end, too).
With -o it goes to a file, which is replaced at once when all of the value is there.

  p2pcore get greeting --via 10.0.0.1:4100
  p2pcore get greeting --via 10.0.0.1:4100 --json | jq -r .text
  p2pcore get logo -o logo.png --via 10.0.0.1:4100
"""

DELETE = """\
Delete a record; succeeds once a write quorum of replicas has confirmed it. Deleting what is
not there is no error.

  p2pcore delete greeting --via 10.0.0.1:4100
"""

LIST = """\
Say the keys that were put with --listed, one a line, from all over the network; nothing is said of
other keys, of which nodes know the hash alone. They come in no order that means anything, but in
the same one each time: --after goes on where an earlier list ended. One that was put or deleted a
moment ago may be there or not. --timeout is for connecting, and then for each step of some hundred
keys. With --json, a key that is no text is `key_base64`.

  p2pcore list --via 10.0.0.1:4100
  p2pcore list --prefix users/ --limit 20 --via 10.0.0.1:4100
  p2pcore list --prefix users/ --after users/ann --via 10.0.0.1:4100
"""

STATS = """\
Ask a node, or all nodes of a network, how they are: version, uptime, readiness, links, records
and counters. Nodes that give no answer are listed, and are in no total. With --watch, a terminal
is redrawn, anything else gets a line per node each time; rates are per second since the time
before: operations are records stored and fetched, replicas and repairs included.

  p2pcore stats 10.0.0.1:4100
  p2pcore stats --via 10.0.0.1:4100 --watch 2
  p2pcore stats --via 10.0.0.1:4100 --json | jq .totals.stores
"""

KEYGEN = """\
Make secrets. A network's key is shared by all its members; an identity is one node's own.

  p2pcore keygen network -o network.key
  p2pcore keygen identity /var/lib/p2pcore
"""

KEYGEN_NETWORK = """\
Make a network key: 32 random bytes as hex. Whoever has it is a member of the network.

  p2pcore keygen network -o network.key
"""

KEYGEN_IDENTITY = """\
Make a node's identity in its data directory, and print the node's id. `serve --data-dir` does
the same at its first start; this tells the id before (for `--join HOST:PORT#ID`).

  p2pcore keygen identity /var/lib/p2pcore
"""

COMPLETION = """\
Write a script that makes a shell complete p2pcore's commands, options and their values.

  p2pcore completion bash > ~/.local/share/bash-completion/completions/p2pcore
  p2pcore completion zsh > ~/.p2pcore.zsh     (and `source ~/.p2pcore.zsh` in ~/.zshrc)
  p2pcore completion fish > ~/.config/fish/completions/p2pcore.fish
"""

BACKUP = """\
Copy the records in a node's data directory to a new file, as they are at one moment; the node may
run, and comes first: this takes what the processors have left, and pauses for as long as it works.
Every record of the copy is checked. The identity is another file, identity.pem: it never changes.

  p2pcore backup /var/lib/p2pcore /backups/p2pcore-2026-11-28.db
"""

RESTORE = """\
Put a backup into a data directory that has no records; the node must not run. When it is started it
compares them with the others' and takes what is newer. A backup older than --tombstone-grace is
refused at that start: deleted records would come back.

  mv /var/lib/p2pcore/records.db /tmp
  p2pcore restore /backups/p2pcore-2026-11-28.db /var/lib/p2pcore
"""

CHECK = """\
Read every record in a data directory and compare it with its checksum; the node may run. Exit code
7 says that something is damaged, and stderr what: the node leaves it out, and gets it from others.

  p2pcore check /var/lib/p2pcore
"""

COMPACT = """\
Make the file of records as small as its records are; the node must not run. It gives back most of
what is free by itself.

  p2pcore compact /var/lib/p2pcore
"""
