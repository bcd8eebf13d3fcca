//! What a server that is ready tells the person who started it.

use std::fmt::Write as _;

use crate::config::StandaloneConfig;

/// The text for stdout: where the API is, how to point `wsk` at it, and a first action to try. `api` is its URL.
#[must_use]
pub fn banner(api: &str, config: &StandaloneConfig) -> String {
    let mut text = format!("oxwhisk is ready.\n\n  API host  {api}\n");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  data      {}", config.data_dir.display());
    let first = config.users.of_namespace("guest").or_else(|| config.users.iter().find(|user| !user.blocked));
    let Some(user) = first else {
        text.push_str("  users     none\n");
        return text;
    };
    let key = user.auth.compact();
    let published = key == oxwhisk_controller_settings::GUEST_KEY;
    // A key somebody chose is a secret, and stdout often ends in a log.
    let shown = if published { key.as_str() } else { "<its key>" };
    let _ = write!(
        text,
        "  {namespace:<8}  {shown}\n\n\
         Point wsk at it:\n  wsk property set --apihost {api} --auth {shown}\n\n\
         A first action:\n  echo 'function main(args) {{ return {{greeting: \"Hello \" + args.name}}; }}' > hello.js\n  \
         wsk action create hello hello.js\n  \
         wsk action invoke hello --result --param name World\n\n\
         Stop it with Ctrl-C.\n",
        namespace = user.namespace.as_str(),
    );
    text
}
