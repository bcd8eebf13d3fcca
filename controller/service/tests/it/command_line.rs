//! What the command line answers: help, refusals, dumps, keys.

use oxwhisk_settings::Exit;

use crate::given::Given;

#[test]
fn help_and_version_are_printed() {
    let given = Given::new();
    let help = given.printed(&["--help"], &[]);
    for part in ["--id", "--port", "--grpc-listen", "--kafka-hosts", "--generate-ticket-keys", "Examples:"] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
    assert_eq!(given.printed(&["-h"], &[]), help);
    assert!(given.printed(&["--version"], &[]).starts_with("controller "));
}

#[test]
fn a_wrong_flag_is_one_line_with_a_suggestion() {
    let refusal = Given::new().refused(&["--grpc-listn", "x"], &[]);
    assert_eq!(refusal.exit, Exit::Usage);
    let line =
        "unexpected argument '--grpc-listn' found, did you mean '--grpc-listen'? (controller --help)\n";
    assert_eq!(refusal.to_string(), line);
}

#[test]
fn what_is_missing_is_named_all_at_once() {
    let given = Given::new();
    let missing = [
        ("KAFKA_HOSTS", ""),
        ("CONFIG_oxwhisk_tickets_controllerKeysFile", ""),
        ("CONFIG_oxwhisk_tickets_cacheProxyKeysFile", "/no/such.keys"),
        ("CONFIG_oxwhisk_grpc_listen", "0.0.0.0:9090"),
    ];
    let refusal = given.refused(&[], &missing);
    assert_eq!(refusal.exit, Exit::Config);
    let text = refusal.to_string();
    assert_eq!(text.lines().count(), 4, "{text}");
    for part in [
        "whisk.kafka.hosts: is not set",
        "oxwhisk.tickets.controller-keys-file: is not set",
        "CONFIG_oxwhisk_tickets_cacheProxyKeysFile: '/no/such.keys' cannot be read",
        "CONFIG_oxwhisk_grpc_listen: plain text is refused on 0.0.0.0:9090",
    ] {
        assert!(text.contains(part), "'{part}' is not in {text}");
    }
}

#[test]
fn a_file_without_keys_is_named_and_not_shown() {
    let given = Given::new();
    let path = given.file("bad.keys", "0:c2hvcnQ=\n");
    let refusal = given.refused(&["--controller-keys", &path], &[]).to_string();
    assert!(refusal.contains(&path) && refusal.contains("at least 32 are needed"), "{refusal}");
    assert!(!refusal.contains("c2hvcnQ"), "{refusal}");
}

#[test]
fn the_dump_shows_everything_but_secrets() {
    let given = Given::new();
    let environment = [
        ("DB_USERNAME", "whisk"),
        ("DB_PASSWORD", "some_passw0rd"),
        ("CONFIG_oxwhisk_kafka_sasl_username", "controller"),
        ("CONFIG_oxwhisk_kafka_secret_password", "hush-hush"),
    ];
    let dump = given.printed(&["--dump-config", "3", "-p", "8080"], &environment);
    for line in [
        "oxwhisk.port = 8080  # flag --port",
        "oxwhisk.controller.id = 3  # flag --id",
        "oxwhisk.controller.name = \"controller3\"  # default",
        "whisk.kafka.hosts = \"127.0.0.1:1\"  # environment variable KAFKA_HOSTS",
        "whisk.couchdb.username = \"whisk\"  # environment variable DB_USERNAME",
        "whisk.couchdb.password = \"<redacted>\"  # environment variable DB_PASSWORD",
        "whisk.fraction.managed-fraction = \"90%\"  # default",
    ] {
        assert!(dump.lines().any(|found| found == line), "'{line}' is not in\n{dump}");
    }
    assert!(!dump.contains("passw0rd") && !dump.contains("hush"), "{dump}");
    let config = format!("{:?}", given.start(&[], &environment).config);
    assert!(!config.contains("passw0rd") && !config.contains("hush"), "{config}");
}

#[test]
fn keys_are_made_by_the_command_and_never_overwritten() {
    let given = Given::new();
    let path = given.path().join("new.keys").display().to_string();
    let told = given.printed(&["--generate-ticket-keys", &path], &[("KAFKA_HOSTS", "")]);
    assert_eq!(told, format!("a key was written to '{path}'\n"));
    let refusal = given.refused(&["--generate-ticket-keys", &path], &[]);
    assert_eq!(refusal.exit, Exit::CannotCreate);
    assert!(refusal.to_string().contains(&path), "{refusal}");
    let start = given.start(&["--controller-keys", &path], &[]);
    assert_eq!(start.config.name, "controller0");
}
