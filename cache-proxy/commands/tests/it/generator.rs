//! Commands of all kinds, with arguments that mean something in many of them. The proxy's tests use it as well.

use oxwhisk_cache_commands::{Handling, table};
use proptest::prelude::*;

fn words() -> impl Strategy<Value = Vec<u8>> {
    let common = [
        "a",
        "k1",
        "k2",
        "other",
        "*",
        "o*",
        "0",
        "1",
        "2",
        "-1",
        "",
        "STREAMS",
        "STORE",
        "BY",
        "GET",
        "#",
        "MATCH",
        "COUNT",
        "LIMIT",
        "EX",
        "NX",
        "GROUP",
        "km",
        "LEFT",
        "MIN",
        "AND",
        ">",
        "$",
        "KEEPTTL",
        "WITHSCORES",
        "\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    ];
    prop_oneof![
        9 => prop::sample::select(common.map(|word| word.as_bytes().to_vec()).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

/// A command of the table, or one of its sub-commands, with any arguments.
pub(crate) fn commands() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let mut names: Vec<Vec<&str>> = Vec::new();
    for command in table::all() {
        match command.handling {
            Handling::Container(subs) => {
                names.extend(subs.iter().map(|sub| vec![command.name, sub.name]));
            }
            _ => names.push(vec![command.name]),
        }
    }
    (prop::sample::select(names), prop::collection::vec(words(), 0..8)).prop_map(|(name, arguments)| {
        name.into_iter().map(|word| word.as_bytes().to_vec()).chain(arguments).collect()
    })
}
