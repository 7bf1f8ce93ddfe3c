"""The commands of perfkit, the one list: in which tier each runs, which module has it, and its line in `perfkit --help`.

Target tier; pure data, and light to import, because the first stage of every start reads it.
"""

from __future__ import annotations

TARGET, DESK = "target", "desk"

# name: (tier, module, summary)
COMMANDS = {
    "collect": (TARGET, "perfkit.cli.collect", "Record this machine into a collection, or stream it to a receiver."),
    "preflight": (TARGET, "perfkit.cli.preflight", "Prove that a collection is being recorded; run a command only if it is."),
    "mark": (TARGET, "perfkit.cli.mark", "Write a mark into a running collection: where a phase starts or ends."),
    "process": (DESK, "perfkit.cli.process", "Turn collections into CSV files and percentiles."),
    "import": (DESK, "perfkit.cli.import_", "Import collections or processed files into the database."),
    "runs": (DESK, "perfkit.cli.runs", "List the runs in the database, the newest first."),
    "compare": (DESK, "perfkit.cli.compare", "Compare runs: what differs, by how much, and how sure that is."),
    "report": (DESK, "perfkit.cli.report", "Write a run, or a comparison, into one file to send."),
    "rename": (DESK, "perfkit.cli.rename", "Give a machine or a run in the database another name."),
    "remove": (DESK, "perfkit.cli.remove", "Delete a machine, or a run, from the database."),
    "keys": (DESK, "perfkit.cli.keys", "Add, list and revoke the keys that collectors send with."),
    "users": (DESK, "perfkit.cli.users", "Add, list and remove the dashboard's logins."),
    "tokens": (DESK, "perfkit.cli.tokens", "Add, list and revoke the tokens that programs read the dashboard with."),
    "query": (DESK, "perfkit.cli.query", "Ask a lake: SQL, or one of the questions that come with perfkit."),
    "lake": (DESK, "perfkit.cli.lake", "Keep a lake in order: put its small files together."),
    "export": (DESK, "perfkit.cli.export", "Write a collector's samples as CSV files again."),
    "prune": (DESK, "perfkit.cli.prune", "Delete old samples from the database; their rollups stay longer."),
    "serve": (DESK, "perfkit.cli.serve", "Serve the dashboard, and receive what collectors stream."),
    "mcp": (DESK, "perfkit.cli.mcp", "Let an agent read the database: a server of the Model Context Protocol."),
    "doctor": (TARGET, "perfkit.cli.doctor", "Say what is wrong with this machine, the database or the way to the receiver."),
    "help": (TARGET, "perfkit.cli.help", "Show what a command does, with its options and examples."),
}

# Packages and modules of perfkit that the target tier neither imports nor carries.
DESK_MODULES = (
    *(
        "catalog",
        "sql",
        "files",
        "drivers",
        "web",
        "process",
        "store",
        "lake",
        "compare",
        "loadtools",
        "receive",
        "dashboard",
        "mcp",
        "serve",
    ),
)


def of_desk(file: str) -> bool:
    """Whether `file` ("perfkit/store/live.py") belongs to the desk tier alone."""
    return file.startswith(tuple(f"perfkit/{name}{end}" for name in DESK_MODULES for end in ("/", ".py")))


def of_tier(tier: str) -> frozenset[str]:
    """The names of the commands that run in `tier`."""
    return frozenset(name for name, (its_tier, _, _) in COMMANDS.items() if its_tier == tier)
