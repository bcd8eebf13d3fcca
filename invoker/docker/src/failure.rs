//! Whose fault it is that there is no container. Pure.

use oxwhisk_container::CreateError;

use crate::engine::EngineError;
use crate::images::Image;

/// A user's image is the user's to provide; one of the platform is not.
pub(crate) fn of_pull(image: &Image, why: &str) -> CreateError {
    if image.by_user {
        CreateError::ImagePull { image: image.shown.clone() }
    } else {
        CreateError::Platform(format!("image '{}' cannot be had: {why}", image.reference()))
    }
}

pub(crate) fn of_command(image: &Image, error: &EngineError) -> CreateError {
    if image.by_user {
        CreateError::CommandNotFound { image: image.shown.clone() }
    } else {
        CreateError::Platform(format!("image '{}': {error}", image.reference()))
    }
}

/// Whether the daemon means the image: other things it does not find have the same status.
pub(crate) fn is_no_image(message: &str) -> bool {
    message.to_ascii_lowercase().contains("no such image")
}

/// What `docker run` reports by its exit code 127: the image's entry is not there, or it has none.
pub(crate) fn is_no_command(error: &EngineError) -> bool {
    let message = match error {
        EngineError::Refused { message, .. } | EngineError::NotFound(message) => message.to_ascii_lowercase(),
        _ => return false,
    };
    let entry_is_missing = message.contains("exec: \"") && message.contains("no such file or directory");
    message.contains("executable file not found")
        || message.contains("no command specified")
        || entry_is_missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::ImageRules;

    fn image(by_user: bool) -> Image {
        Image::resolve("me/img:1", by_user, &ImageRules::default()).unwrap()
    }

    #[test]
    fn users_are_told_openwhisks_texts() {
        let refused = refused("x");
        assert_eq!(of_pull(&image(true), "x").to_string(), "Failed to pull container image 'me/img:1'.");
        assert_eq!(
            of_command(&image(true), &refused).to_string(),
            "executable file not found in image me/img:1"
        );
        assert!(matches!(of_pull(&image(false), "x"), CreateError::Platform(_)));
        assert!(matches!(of_command(&image(false), &refused), CreateError::Platform(_)));
    }

    fn refused(message: &str) -> EngineError {
        EngineError::Refused { what: "start it", status: 400, message: message.to_owned() }
    }

    #[test]
    fn a_missing_command_is_told_from_other_refusals() {
        for message in [
            "OCI runtime create failed: starting container process caused: exec: \"nope\": executable file not found in $PATH: unknown",
            "failed to create shim task: exec: \"/nope\": stat /nope: no such file or directory: unknown",
            "No command specified",
        ] {
            assert!(is_no_command(&refused(message)), "{message}");
        }
        for message in
            ["driver failed programming external connectivity", "mount /x: no such file or directory"]
        {
            assert!(!is_no_command(&refused(message)), "{message}");
        }
        assert!(is_no_image("No such image: x:latest") && !is_no_image("network x not found"));
    }
}
