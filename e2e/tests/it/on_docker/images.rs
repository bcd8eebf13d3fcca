//! Users' own images. Nothing can be fetched by the daemon of these tests: where a registry is asked, it refuses.

use oxwhisk_e2e::docker::Docker;
use oxwhisk_e2e::{Tenant, action, shared};
use serde_json::{Value, json};

/// Nobody listens on this port, so whoever fetches fails at once.
const REGISTRY: &str = "127.0.0.1:9";

/// An action proxy as somebody might write one, with the action in it.
const SERVER: &str = "import http.server, json
class Action(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        value = json.loads(self.rfile.read(int(self.headers['Content-Length'])))['value']
        result = {'ok': True} if self.path == '/init' else {'by': 'my image', 'args': value}
        answer = json.dumps(result).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
http.server.HTTPServer(('', 8080), Action).serve_forever()
";
const DOCKERFILE: &str =
    "FROM oxwhisk/python:cluster\nCOPY server.py /server.py\nENTRYPOINT [\"python3\", \"/server.py\"]\n";

fn blackbox(image: &str) -> Value {
    json!({"exec": {"kind": "blackbox", "image": image}})
}

#[track_caller]
fn error_of(tenant: &Tenant, name: &str) -> (Value, Value) {
    let response = tenant.call(name, &json!({})).expect(502).json()["response"].take();
    (response["status"].clone(), response["result"]["error"].clone())
}

#[test]
fn an_image_that_the_machine_has_is_not_fetched() {
    let Some(docker) = Docker::of_cluster("an_image_that_the_machine_has_is_not_fetched") else { return };
    let image = format!("{REGISTRY}/e2e/local:1");
    docker.build(&image, &[("Dockerfile", DOCKERFILE), ("server.py", SERVER)]);
    let tenant = shared::tenant();
    tenant.create("a", &blackbox(&image));
    for n in 1..=2 {
        let answer = tenant.call_for_result("a", &json!({"n": n})).expect(200).json();
        assert_eq!(answer, json!({"by": "my image", "args": {"n": n}}));
    }
}

#[test]
fn an_image_of_ones_own_runs_code() {
    let Some(docker) = Docker::of_cluster("an_image_of_ones_own_runs_code") else { return };
    let image = format!("{REGISTRY}/e2e/with-tool:1");
    let dockerfile = "FROM oxwhisk/native:cluster\nCOPY tool.txt /tool.txt\n";
    docker.build(&image, &[("Dockerfile", dockerfile), ("tool.txt", "of the image")]);
    let tenant = shared::tenant();
    let code = "#!/bin/sh\necho \"{\\\"tool\\\": \\\"$(cat /tool.txt)\\\"}\"\n";
    tenant.create("a", &json!({"exec": {"kind": "blackbox", "image": image, "code": code}}));
    let answer = tenant.call_for_result("a", &json!({})).expect(200).json();
    assert_eq!(answer, json!({"tool": "of the image"}));
}

/// `latest` moves, so OpenWhisk never trusts the copy that the machine has.
#[test]
fn an_image_without_a_tag_is_fetched_even_if_the_machine_has_it() {
    let Some(docker) = Docker::of_cluster("an_image_without_a_tag_is_fetched") else { return };
    let image = format!("{REGISTRY}/e2e/moving");
    docker.build(&image, &[("Dockerfile", DOCKERFILE), ("server.py", SERVER)]);
    let tenant = shared::tenant();
    tenant.create("a", &blackbox(&image));
    let text = format!("Failed to pull container image '{image}'.");
    assert_eq!(error_of(&tenant, "a"), (json!("action developer error"), json!(text)));
}

#[test]
fn an_image_that_cannot_be_fetched_is_the_users_error() {
    if Docker::of_cluster("an_image_that_cannot_be_fetched").is_none() {
        return;
    }
    let tenant = shared::tenant();
    for (name, image) in
        [("a", format!("{REGISTRY}/e2e/missing")), ("b", format!("{REGISTRY}/e2e/missing:7"))]
    {
        tenant.create(name, &blackbox(&image));
        let text = format!("Failed to pull container image '{image}'.");
        assert_eq!(error_of(&tenant, name), (json!("action developer error"), json!(text)));
        let id = tenant.fire(name, &json!({}));
        assert_eq!(tenant.record(&id)["response"]["result"]["error"], json!(text));
    }
}

#[test]
fn an_image_without_an_action_proxy_fails_its_first_run() {
    let Some(docker) = Docker::of_cluster("an_image_without_an_action_proxy") else { return };
    let image = format!("{REGISTRY}/e2e/ends:1");
    docker.build(&image, &[("Dockerfile", "FROM oxwhisk/native:cluster\nENTRYPOINT [\"/bin/true\"]\n")]);
    let tenant = shared::tenant();
    let body = action::with(blackbox(&image), "limits", json!({"timeout": 5_000}));
    tenant.create("a", &body);
    let text = "The action did not initialize and exited unexpectedly.";
    assert_eq!(error_of(&tenant, "a"), (json!("action developer error"), json!(text)));
}
