//! Ways to write an `Authorization` header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_e2e::shared;

const NAMESPACES: &str = "/api/v1/namespaces";

#[test]
fn the_scheme_has_no_case() {
    let tenant = shared::tenant();
    let key = STANDARD.encode(tenant.user().auth());
    for scheme in ["Basic", "basic", "BASIC"] {
        let request = tenant.api().get(NAMESPACES).header("Authorization", &format!("{scheme} {key}"));
        request.send().expect(200);
    }
}

#[test]
fn what_is_no_key_is_as_invalid_as_a_wrong_key() {
    let tenant = shared::tenant();
    let key = STANDARD.encode(tenant.user().auth());
    let no_text = STANDARD.encode(b"\xff\xfe:\xff");
    for header in [
        format!("Bearer {key}"),
        format!("Digest username=\"{key}\""),
        key,
        "Basic".to_owned(),
        "Basic !!!".to_owned(),
        format!("Basic {no_text}"),
        format!("Basic {}", STANDARD.encode("no colon")),
    ] {
        let response = tenant.api().get(NAMESPACES).header("Authorization", &header).send();
        response
            .expect_error(401, "The supplied authentication is invalid")
            .expect_header("www-authenticate", r#"Basic realm="OpenWhisk secure realm""#);
    }
    tenant
        .api()
        .get(NAMESPACES)
        .header("Authorization", "")
        .send()
        .expect_error(401, "The resource requires authentication, which was not supplied with the request");
}
