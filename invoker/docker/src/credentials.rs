//! Credentials for registries, from the file that `docker login` writes.
//!
//! Read at each fetch, so that a new password needs no restart. Helpers that keep credentials elsewhere (`credsStore`)
//! are programs, and programs are not run here: a registry that is only known to such a helper gets none.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;

/// Under which Docker's own registry stands in the file.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: HashMap<String, Entry>,
}

#[derive(Default, Deserialize)]
struct Entry {
    /// Base64 of `user:password`.
    auth: Option<String>,
    identitytoken: Option<String>,
}

/// Those for `registry` (`None` is Docker's own), if the file has any.
///
/// # Errors
/// A text that names the file and says what is wrong, without a secret in it.
pub(crate) async fn read(path: &Path, registry: Option<&str>) -> Result<Option<DockerCredentials>, String> {
    let fault =
        |error: &dyn std::fmt::Display| format!("cannot read credentials from {}: {error}", path.display());
    let text = tokio::fs::read_to_string(path).await.map_err(|error| fault(&error))?;
    // The parser's message may quote the text.
    let file: File = serde_json::from_str(&text).map_err(|_| fault(&"it is not Docker's config.json"))?;
    find(&file, registry).map_err(|error| fault(&error))
}

fn find(file: &File, registry: Option<&str>) -> Result<Option<DockerCredentials>, &'static str> {
    let wanted = registry.unwrap_or(DOCKER_HUB);
    let Some((address, entry)) = file.auths.iter().find(|(address, _)| host_of(address) == host_of(wanted))
    else {
        return Ok(None);
    };
    let mut credentials = DockerCredentials {
        serveraddress: Some(address.clone()),
        identitytoken: entry.identitytoken.clone(),
        ..DockerCredentials::default()
    };
    if let Some(auth) = entry.auth.as_deref().filter(|auth| !auth.is_empty()) {
        let decoded = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or("an 'auth' in it is not base64")?;
        let (user, password) = decoded.split_once(':').ok_or("an 'auth' in it has no ':'")?;
        credentials.username = Some(user.to_owned());
        credentials.password = Some(password.trim_end_matches('\0').to_owned());
    }
    Ok(Some(credentials))
}

/// Addresses are written with and without scheme and path.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(auth: &str) -> File {
        let text = format!(
            r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{auth}"}},
                "reg.example.com:5000": {{"identitytoken": "t"}}}}, "credsStore": "desktop"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_registry_is_found_however_it_is_written() {
        let file = file(&STANDARD.encode("me:pass:word"));
        let hub = find(&file, None).unwrap().unwrap();
        assert_eq!((hub.username.as_deref(), hub.password.as_deref()), (Some("me"), Some("pass:word")));
        assert_eq!(hub.serveraddress.as_deref(), Some(DOCKER_HUB));
        let other = find(&file, Some("reg.example.com:5000")).unwrap().unwrap();
        assert_eq!((other.username, other.identitytoken.as_deref()), (None, Some("t")));
        assert!(find(&file, Some("reg.example.com")).unwrap().is_none());
    }

    #[tokio::test]
    async fn faults_name_the_file_and_show_no_secret() {
        for auth in ["c2VjcmV0", "s e c r e t"] {
            let error = find(&file(auth), None).unwrap_err();
            assert!(error.starts_with("an 'auth' in it") && !error.contains("secret"), "{error}");
        }
        let error = read(Path::new("/nonexistent/config.json"), None).await.unwrap_err();
        assert!(error.contains("/nonexistent/config.json"), "{error}");
    }
}
