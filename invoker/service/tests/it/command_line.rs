//! What the command line answers: help, refusals, exit codes, the dump.

use oxwhisk_settings::Exit;

use crate::library::{NEEDED, printed, refused};

#[test]
fn help_and_version_are_printed() {
    let help = printed(&["--help"], &[]);
    for flag in
        ["--id", "--grpc-listen", "--kafka-hosts", "--container-factory", "--dump-config", "Examples:"]
    {
        assert!(help.contains(flag), "{flag} is not in {help}");
    }
    assert!(printed(&["--version"], &[]).starts_with("invoker "));
    assert_eq!(printed(&["-h"], &[]), help);
}

#[test]
fn a_wrong_flag_is_one_line_with_a_suggestion() {
    let refusal = refused(&["--grpc-lisen", "1"], &[]);
    assert_eq!(refusal.exit, Exit::Usage);
    let line = "unexpected argument '--grpc-lisen' found, did you mean '--grpc-listen'? (invoker --help)\n";
    assert_eq!(refusal.to_string(), line);
}

#[test]
fn a_wrong_value_of_a_flag_is_a_wrong_use() {
    let refusal = refused(&["--id", "first"], &NEEDED[1..]);
    assert_eq!(refusal.exit, Exit::Usage);
    assert!(refusal.to_string().starts_with("flag --id: 'first' is not a whole number"), "{refusal}");
}

#[test]
fn an_invoker_that_is_told_nothing_says_all_that_is_missing() {
    let refusal = refused(&[], &[]);
    assert_eq!(refusal.exit, Exit::Config);
    let text = refusal.to_string();
    for key in ["oxwhisk.invoker.id", "whisk.kafka.hosts", "whisk.config.whisk-api-host-name"] {
        assert!(text.lines().any(|line| line.contains(key) && line.contains("is not set")), "{key}: {text}");
    }
}

#[test]
fn the_dump_shows_everything_but_secrets() {
    let secret =
        [("CONFIG_oxwhisk_kafka_secret_password", "hush"), ("CONFIG_oxwhisk_kafka_sasl_username", "me")];
    let environment: Vec<(&str, &str)> = NEEDED.iter().chain(&secret).copied().collect();
    let dump = printed(&["--dump-config", "--user-memory", "2g"], &environment);
    for line in [
        "oxwhisk.invoker.id = 3  # environment variable INVOKER_ID",
        "whisk.kafka.hosts = \"kafka:9092\"  # environment variable KAFKA_HOSTS",
        "whisk.container-pool.user-memory = \"2 GB\"  # flag --user-memory",
        "oxwhisk.container-factory = \"sandbox\"  # default",
        "oxwhisk.data-dir = \"/home/me/.openwhisk/invoker3\"  # default",
        "oxwhisk.kafka.secret.password = \"<redacted>\"  # environment variable CONFIG_oxwhisk_kafka_secret_password",
    ] {
        assert!(dump.lines().any(|found| found == line), "'{line}' is not in\n{dump}");
    }
    assert!(!dump.contains("hush"), "{dump}");
}
