//! Changes of actions.

use serde_json::{Value, json};

use crate::fixture::{Parts, until};

fn action(code: &str) -> Value {
    json!({"exec": {"kind": "go:1", "code": code}})
}

#[tokio::test]
async fn a_change_is_seen_though_its_client_has_gone() {
    let parts = Parts::new().await;
    let platform = parts.start().await;
    assert_eq!(platform.call("PUT", "actions/a", &action("old")).await.0, 200);
    assert_eq!(platform.call("GET", "actions/a", &Value::Null).await.1["exec"]["code"], "old");

    for (method, body, seen) in
        [("PUT", action("new"), json!([200, "new"])), ("DELETE", Value::Null, json!([404, null]))]
    {
        parts.entities.gate.close();
        let client = platform.send(method, "actions/a?overwrite=true", &body).await;
        parts.entities.gate.met().await;
        drop(client);
        // Answered after the client's going was seen: there is one thread for all of this.
        assert_eq!(platform.call("GET", "actions/b", &Value::Null).await.0, 404);
        parts.entities.gate.open();
        until(&format!("{method} is seen"), async || {
            let (status, answer) = platform.call("GET", "actions/a", &Value::Null).await;
            (json!([status, answer["exec"]["code"]]) == seen).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn two_changes_at_once_leave_an_action_with_its_code() {
    let parts = Parts::new().await;
    let platform = parts.start().await;
    let code = |letter: char| letter.to_string().repeat(20_000);
    assert_eq!(platform.call("PUT", "actions/a", &action(&code('a'))).await.0, 200);
    let inline = action("inline");
    for letter in 'b'..'j' {
        let target = "actions/a?overwrite=true";
        let (first, second) = (action(&code(letter)), action(&code(letter.to_ascii_uppercase())));
        let answers = tokio::join!(
            platform.call("PUT", target, &first),
            platform.call("PUT", target, &second),
            platform.call("PUT", target, &inline),
        );
        for (status, answer) in [answers.0, answers.1, answers.2] {
            assert!(matches!(status, 200 | 409), "{status} {answer}");
        }
        assert_eq!(platform.call("GET", "actions/a", &Value::Null).await.0, 200);
    }
}
