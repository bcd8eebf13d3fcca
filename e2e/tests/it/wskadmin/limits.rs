//! `wskadmin limits`.

use super::{MISSING, fresh, server};

#[test]
fn c302_limits_are_set_shown_and_deleted() {
    let Some((_, admin)) = server("c302_limits_are_set_shown_and_deleted") else { return };
    let namespace = fresh("limits");
    let none = "No limits found, default system limits apply\n";
    admin.expect(&["limits", "get", &namespace], 0, none);
    let set = format!("Limits successfully set for \"{namespace}\"\n");
    let first = [
        "limits",
        "set",
        &namespace,
        "--invocationsPerMinute",
        "200",
        "--allowedKinds",
        "nodejs:20",
        "python:3",
    ];
    admin.expect(&first, 0, &set);
    let shown = "invocationsPerMinute = 200\nallowedKinds = ['nodejs:20', 'python:3']\n";
    admin.expect(&["limits", "get", &namespace], 0, shown);
    // What is there stays.
    let more = [
        "limits",
        "set",
        &namespace,
        "--firesPerMinute",
        "3",
        "--concurrentInvocations",
        "4",
        "--storeActivations",
        "No",
        "--minActionMemory",
        "128",
        "--maxActionMemory",
        "256",
        "--minActionLogs",
        "1",
        "--maxActionLogs",
        "2",
        "--minActionTimeout",
        "100",
        "--maxActionTimeout",
        "200",
        "--minActionConcurrency",
        "1",
        "--maxActionConcurrency",
        "5",
        "--maxParameterSize",
        "1 MB",
        "--maxPayloadSize",
        "2 KB",
        "--truncationSize",
        "3 B",
    ];
    admin.expect(&more, 0, &set);
    let shown = "invocationsPerMinute = 200\nfiresPerMinute = 3\nconcurrentInvocations = 4\n\
                 allowedKinds = ['nodejs:20', 'python:3']\nstoreActivations = False\nminActionMemory = 128\n\
                 maxActionMemory = 256\nminActionLogs = 1\nmaxActionLogs = 2\nminActionTimeout = 100\n\
                 maxActionTimeout = 200\nminActionConcurrency = 1\nmaxActionConcurrency = 5\nmaxParameterSize = 1 MB\n\
                 maxPayloadSize = 2 KB\ntruncationSize = 3 B\n";
    admin.expect(&["limits", "get", &namespace], 0, shown);
    admin.expect(&["limits", "delete", &namespace], 0, "Limits deleted\n");
    admin.expect(&["limits", "get", &namespace], 0, none);
    let failed = format!("Failed to delete limits ({MISSING})\n");
    admin.expect(&["limits", "delete", &namespace], 1, &failed);
}

#[test]
fn limits_of_the_cache_are_set_and_shown() {
    let Some((_, admin)) = server("limits_of_the_cache_are_set_and_shown") else { return };
    let namespace = fresh("limits");
    let limits = [
        "--cacheDefault",
        "package",
        "--cacheBytes",
        "64 MB",
        "--cacheKeys",
        "1000",
        "--cacheValueBytes",
        "4 KB",
        "--cacheOperationsPerSecond",
        "500",
        "--cacheConnections",
        "8",
    ];
    let set = [&["limits", "set", &namespace], &limits[..]].concat();
    admin.expect(&set, 0, &format!("Limits successfully set for \"{namespace}\"\n"));
    let shown = "cacheDefault = package\ncacheBytes = 64 MB\ncacheKeys = 1000\ncacheValueBytes = 4 KB\n\
                 cacheOperationsPerSecond = 500\ncacheConnections = 8\n";
    admin.expect(&["limits", "get", &namespace], 0, shown);
    let unknown = "Failed to set limits (cacheDefault: 'all' is neither 'true', 'false', 'action', 'package' nor \
                   'namespace')\n";
    admin.expect(&["limits", "set", &namespace, "--cacheDefault", "all"], 1, unknown);
    admin.expect(&["limits", "delete", &namespace], 0, "Limits deleted\n");
}

#[test]
fn what_is_no_limit_is_refused() {
    let Some((_, admin)) = server("what_is_no_limit_is_refused") else { return };
    let namespace = fresh("limits");
    let size = "Failed to set limits (maxPayloadSize: '3 elephants' is not a size such as '1 MB')\n";
    admin.expect(&["limits", "set", &namespace, "--maxPayloadSize", "3 elephants"], 1, size);
    for wrong in
        [["--storeActivations", "maybe"], ["--invocationsPerMinute", "many"], ["--firesPerMinute", "-1"]]
    {
        let refused = admin.run(&[&["limits", "set", &namespace], &wrong[..]].concat());
        assert_eq!((refused.status.code(), refused.stdout.as_str()), (Some(2), ""), "{wrong:?}");
    }
    admin.expect(&["limits", "get", &namespace], 0, "No limits found, default system limits apply\n");
    let named = admin.run(&["limits", "set", "a/b", "--invocationsPerMinute", "1"]);
    assert_eq!(named.status.code(), Some(1));
    assert!(named.stdout.starts_with("Failed to set limits ('a/b' is not a namespace"), "{named:?}");
}
