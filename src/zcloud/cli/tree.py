"""The table of commands: every one is imported when it is used."""

from __future__ import annotations

from zcloud.cli.base import Noun, ServerCommand, Tree

_C = "zcloud.cli.commands."
_L = "zcloud.lab.commands:"

TREE: Tree = {
    "login": f"{_C}session:login",
    "logout": f"{_C}session:logout",
    "whoami": f"{_C}session:whoami",
    "passwd": f"{_C}session:passwd",
    "launch": f"{_C}launch:launch",
    "explain": f"{_C}launch:explain",
    "clone": f"{_C}clone:clone",
    "list": f"{_C}listing:list_instances",
    "start": f"{_C}power:start",
    "stop": f"{_C}power:stop",
    "restart": f"{_C}power:restart",
    "delete": f"{_C}power:delete",
    "adopt": f"{_C}adopt:adopt",
    "forget": f"{_C}adopt:forget",
    "ssh": f"{_C}ssh:ssh",
    "console": f"{_C}console:console",
    "instance": Noun(
        "Virtual machines.",
        {
            "list": f"{_C}listing:list_instances",
            "show": f"{_C}instance:show",
            "start": f"{_C}power:start",
            "stop": f"{_C}power:stop",
            "restart": f"{_C}power:restart",
            "reset": f"{_C}hold:reset",
            "pause": f"{_C}hold:pause",
            "resume": f"{_C}hold:resume",
            "save": f"{_C}hold:save",
            "restore": f"{_C}hold:restore",
            "discard-saved": f"{_C}hold:discard_saved",
            "insert": f"{_C}media:insert",
            "eject": f"{_C}media:eject",
            "delete": f"{_C}power:delete",
            "resize": f"{_C}resize:resize",
            "rename": f"{_C}instance:rename",
            "screenshot": f"{_C}screen:screenshot",
            "xml": f"{_C}definition:xml",
            "edit": f"{_C}definition:edit",
            "keys": f"{_C}screen:keys",
            "filesystems": f"{_C}insides:filesystems",
            "freeze": f"{_C}insides:freeze",
            "thaw": f"{_C}insides:thaw",
            "set-password": f"{_C}insides:set_password",
            "guest-info": f"{_C}insides:guest_info",
            "trim": f"{_C}insides:trim",
            "set-time": f"{_C}insides:set_time",
            "exec": f"{_C}insides:execute",
            "read-file": f"{_C}insides:read_file",
            "hardware": f"{_C}hardware:hardware",
            "forget": f"{_C}adopt:forget",
            "protect": f"{_C}instance:protect",
            "unprotect": f"{_C}instance:unprotect",
            "on-boot": f"{_C}instance:on_boot",
            "tag": f"{_C}instance:tag",
            "retag": f"{_C}instance:retag",
            "log": f"{_C}instance:log",
            "template": f"{_C}clone:template",
            "move": f"{_C}volume:move_instance",
            "customize": f"{_C}customize:customize",
            "nic": Noun(
                "NICs of an instance, changed while it runs.",
                {
                    "list": f"{_C}nic:list_nics",
                    "add": f"{_C}nic:add",
                    "set": f"{_C}nic:change",
                    "remove": f"{_C}nic:remove",
                },
            ),
            "disk": Noun(
                "Disks of an instance, changed while it runs.",
                {
                    "list": f"{_C}disk:list_disks",
                    "add": f"{_C}disk:add",
                    "set": f"{_C}disk:change",
                    "remove": f"{_C}disk:remove",
                },
            ),
        },
    ),
    "group": Noun(
        "Instances that are started in an order, and stopped the other way round.",
        {
            "list": f"{_C}group:list_groups",
            "show": f"{_C}group:show",
            "create": f"{_C}group:create",
            "add": f"{_C}group:add",
            "remove": f"{_C}group:remove",
            "start": f"{_C}group:start",
            "stop": f"{_C}group:stop",
            "rename": f"{_C}group:rename",
            "delete": f"{_C}group:delete",
        },
    ),
    "trash": Noun(
        "Deleted instances that can be brought back.",
        {
            "list": f"{_C}trash:list_trash",
            "restore": f"{_C}trash:restore",
            "purge": f"{_C}trash:purge",
            "empty": f"{_C}trash:empty",
        },
    ),
    "image": Noun(
        "What instances boot from.",
        {
            "list": f"{_C}image:list_images",
            "show": f"{_C}image:show",
            "import": f"{_C}image_import:import_image",
            "build": f"{_C}image_build:build",
            "uploads": f"{_C}image:uploads",
            "pause": f"{_C}image:pause",
            "resume": f"{_C}image:resume",
            "catalogue": f"{_C}catalogue:catalogue",
            "delete": f"{_C}image:delete",
        },
    ),
    "os": Noun(
        "Operating systems and what they need.",
        {"list": f"{_C}systems:list_systems", "show": f"{_C}systems:show"},
    ),
    "host": Noun(
        "Machines that run instances.",
        {
            "list": f"{_C}host:list_hosts",
            "show": f"{_C}host:show",
            "add": f"{_C}host_add:add",
            "approve": f"{_C}host_add:approve",
            "refresh": f"{_C}host:refresh",
            "domains": f"{_C}adopt:domains",
            "orphans": f"{_C}host:orphans",
            "guests": f"{_C}host_guests:guests",
            "set": f"{_C}host:change",
            "remove": f"{_C}host:remove",
            "forget": f"{_C}host_forget:forget",
            "disk": Noun(
                "Disks that hosts have, made places for pools.",
                {
                    "list": f"{_C}host_disk:list_disks",
                    "prepare": f"{_C}host_disk:prepare",
                    "release": f"{_C}host_disk:release",
                },
            ),
        },
    ),
    "pool": Noun(
        "Storage on hosts.",
        {
            "list": f"{_C}pool:list_pools",
            "show": f"{_C}pool:show",
            "create": f"{_C}pool:create",
            "set": f"{_C}pool:change",
            "grow": f"{_C}pool:grow",
            "refresh": f"{_C}pool:refresh",
            "drain": f"{_C}pool:drain",
            "delete": f"{_C}pool:delete",
        },
    ),
    "volume": Noun(
        "Disks of instances.",
        {
            "list": f"{_C}volume:list_volumes",
            "show": f"{_C}volume:show",
            "create": f"{_C}volume:create",
            "set": f"{_C}volume:change",
            "resize": f"{_C}volume:resize",
            "clone": f"{_C}volume:clone",
            "move": f"{_C}volume:move",
            "attach": f"{_C}volume:attach",
            "detach": f"{_C}volume:detach",
            "delete": f"{_C}volume:delete",
        },
    ),
    "snapshot": Noun(
        "Disks of instances as they were.",
        {
            "list": f"{_C}snapshot:list_snapshots",
            "create": f"{_C}snapshot:create",
            "revert": f"{_C}snapshot:revert",
            "delete": f"{_C}snapshot:delete",
            "schedule": Noun(
                "Snapshots that the server takes by itself.",
                {
                    "list": f"{_C}schedule:list_schedules",
                    "create": f"{_C}schedule:create",
                    "change": f"{_C}schedule:change",
                    "delete": f"{_C}schedule:delete",
                },
            ),
        },
    ),
    "network": Noun(
        "Networks and their addresses.",
        {
            "list": f"{_C}network:list_networks",
            "show": f"{_C}network:show",
            "create": f"{_C}network:create",
            "set": f"{_C}network:change",
            "delete": f"{_C}network:delete",
            "records": f"{_C}network:records",
            "unfence": f"{_C}network:unfence",
        },
    ),
    "flavor": Noun(
        "Named sizes.",
        {
            "list": f"{_C}flavor:list_flavors",
            "add": f"{_C}flavor:add",
            "remove": f"{_C}flavor:remove",
        },
    ),
    "key": Noun(
        "Your SSH public keys.",
        {
            "list": f"{_C}key:list_keys",
            "add": f"{_C}key:add",
            "delete": f"{_C}key:delete",
        },
    ),
    "project": Noun(
        "Projects, their members and quotas.",
        {
            "list": f"{_C}project:list_projects",
            "show": f"{_C}project:show",
            "create": f"{_C}project:create",
            "set": f"{_C}project:change",
            "delete": f"{_C}project:delete",
            "member": f"{_C}project:member",
        },
    ),
    "user": Noun(
        "Users.",
        {
            "list": f"{_C}user:list_users",
            "add": f"{_C}user:add",
            "set": f"{_C}user:change",
            "delete": f"{_C}user:delete",
            "reset-second-factor": f"{_C}user:reset_second_factor",
        },
    ),
    "token": Noun(
        "Your API tokens.",
        {
            "list": f"{_C}token:list_tokens",
            "create": f"{_C}token:create",
            "delete": f"{_C}token:delete",
        },
    ),
    "operation": Noun(
        "Changes that are being made, or were.",
        {
            "list": f"{_C}operation:list_operations",
            "show": f"{_C}operation:show",
            "wait": f"{_C}operation:wait",
            "cancel": f"{_C}operation:cancel",
            "retry": f"{_C}operation:retry",
        },
    ),
    "event": Noun(
        "What happened.",
        {
            "list": f"{_C}event:list_events",
            "follow": f"{_C}event:follow",
        },
    ),
    "monitoring": Noun(
        "Prometheus and Grafana.",
        {
            "export": f"{_C}monitoring:export",
        },
    ),
    "reconcile": Noun(
        "A server that was restored from a backup.",
        {
            "show": f"{_C}reconcile:show",
            "finish": f"{_C}reconcile:finish",
        },
    ),
    "lab": Noun(
        "A cloud of namespace hosts on this machine, to try zcloud without hardware.",
        {
            "up": ServerCommand(f"{_L}up", "Make it, or say what is there."),
            "status": ServerCommand(f"{_L}status", "Say what of it runs."),
            "down": ServerCommand(f"{_L}down", "Stop everything of it, and remove every file."),
        },
    ),
    "doctor": f"{_C}doctor:doctor",
    "completion": f"{_C}completion:completion",
    "init": ServerCommand("zcloud.main.commands:init", "Set this machine up as a zcloud server."),
    "backup": Noun(
        "Backups of the server: its store, keys and configuration.",
        {
            "create": ServerCommand("zcloud.main.backups:create_backup", "Back up store, keys and configuration."),
            "show": ServerCommand("zcloud.main.backups:show_backup", "Show what a file is a backup of."),
            "verify": ServerCommand("zcloud.main.backups:verify_backup", "Read a backup to its end."),
        },
    ),
    "upgrade": Noun(
        "A new version on what an older one has made.",
        {"check": ServerCommand("zcloud.main.backups:check_upgrade", "Look what must be done before an upgrade.")},
    ),
    "restore": ServerCommand("zcloud.main.backups:restore_backup", "Restore the server from a backup."),
    "serve": ServerCommand("zcloud.main.commands:serve", "Run the server."),
    "reset-password": ServerCommand(
        "zcloud.main.passwords:reset_password", "Give a user a new password, on the server's own machine."
    ),
}
