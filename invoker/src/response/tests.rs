use proptest::prelude::*;
use serde_json::Value;

use super::*;

const LIMITS: ResponseLimits = ResponseLimits { max: 64, truncation: 16 };

fn run(status: u16, body: &str) -> (u8, String) {
    let answer = Answer { status, body: body.as_bytes(), length: body.len() as u64 };
    let response = of_run(answer, LIMITS);
    let result = response.result.unwrap();
    assert_eq!(response.size, Some(result.get().len() as u64));
    (response.status.code(), result.get().to_owned())
}

fn init(status: u16, body: &str) -> Option<(u8, String)> {
    of_init(Answer { status, body: body.as_bytes(), length: body.len() as u64 })
        .map(|response| (response.status.code(), response.result.unwrap().get().to_owned()))
}

#[test]
fn the_table_of_run_answers() {
    let invalid = "The action did not produce a valid JSON or JSON Array response";
    for (status, body, code, result) in [
        (200, r#"{"a": 1.0}"#, 0, r#"{"a": 1.0}"#.to_owned()),
        (200, " {} \n", 0, "{}".to_owned()),
        (200, "[1, 2]", 0, "[1, 2]".to_owned()),
        (200, r#"{"x":1,"error":{"a":1e400}}"#, 1, r#"{"error":{"a":1e400}}"#.to_owned()),
        (200, r#"{"\u0065rror":"no"}"#, 1, r#"{"error":"no"}"#.to_owned()),
        (200, r#"{"error":1,"error":2}"#, 1, r#"{"error":2}"#.to_owned()),
        (200, r#"{"a":{"error":1}}"#, 0, r#"{"a":{"error":1}}"#.to_owned()),
        (200, r#"{"a":"\"error\""}"#, 0, r#"{"a":"\"error\""}"#.to_owned()),
        (502, r#"{"error":"thrown","x":1}"#, 2, r#"{"error":"thrown"}"#.to_owned()),
        (500, r#"{"x":1}"#, 2, format!(r#"{{"error":"{invalid}: {{\"x\":1}}"}}"#)),
        (500, "[1]", 2, format!(r#"{{"error":"{invalid}: [1]"}}"#)),
        (500, "", 2, format!(r#"{{"error":"{invalid}."}}"#)),
        (200, "", 2, format!(r#"{{"error":"{invalid}."}}"#)),
        (200, "1", 2, format!(r#"{{"error":"{invalid}: 1"}}"#)),
        (200, "null", 2, format!(r#"{{"error":"{invalid}: null"}}"#)),
        (200, "{\"a\":}", 2, format!(r#"{{"error":"{invalid}: {{\"a\":}}"}}"#)),
        (200, "{} {}", 2, format!(r#"{{"error":"{invalid}: {{}} {{}}"}}"#)),
    ] {
        assert_eq!(run(status, body), (code, result), "{status} {body}");
    }
}

#[test]
fn invalid_utf8_is_no_json_and_shown_replaced() {
    let answer = Answer { status: 200, body: b"{\"a\":\"\xff\"}", length: 9 };
    let response = of_run(answer, LIMITS);
    assert_eq!(response.status, Status::DeveloperError);
    assert!(response.result.unwrap().get().contains('\u{fffd}'));
}

#[test]
fn long_answers_are_cut_between_characters() {
    let body = "é".repeat(40);
    let odd = format!("x{body}");
    let response = of_run(Answer { status: 200, body: &odd.as_bytes()[..16], length: 81 }, LIMITS);
    assert_eq!(response.status, Status::ApplicationError);
    let expected = format!(
        "{{\"error\":\"The action produced a response that exceeded the allowed length: 81 > 64 bytes. \
         The truncated response was: x{}\"}}",
        "é".repeat(7)
    );
    assert_eq!(response.result.unwrap().get(), expected);
}

#[test]
fn the_table_of_init_answers() {
    assert_eq!(init(200, "whatever"), None);
    assert_eq!(init(502, r#"{"error":{"m":1}}"#), Some((2, r#"{"error":{"m":1}}"#.to_owned())));
    assert_eq!(
        init(502, "boom"),
        Some((2, r#"{"error":"The action failed during initialization: boom"}"#.to_owned()))
    );
    assert_eq!(
        init(502, ""),
        Some((2, r#"{"error":"The action failed during initialization."}"#.to_owned()))
    );
}

#[test]
fn timeouts_name_the_limit() {
    let text = |response: Response| response.result.unwrap().get().to_owned();
    assert_eq!(
        text(run_timeout(1000)),
        r#"{"error":"The action exceeded its time limits of 1000 milliseconds."}"#
    );
    assert!(text(init_timeout(5)).contains("of 5 milliseconds during initialization."));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        Just(Value::from("error"))
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop_oneof![Just("error".to_owned()), ".{0,3}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// The outcome is that of a parser that builds the tree.
    #[test]
    fn agrees_with_a_full_parse(value in json(), status in prop_oneof![Just(200_u16), Just(502)]) {
        let limits = ResponseLimits { max: 1 << 20, truncation: 1 << 20 };
        let text = value.to_string();
        let response = of_run(Answer { status, body: text.as_bytes(), length: text.len() as u64 }, limits);
        let error = value.as_object().and_then(|members| members.get("error"));
        let expected = match (&value, error, status) {
            (_, Some(_), 200) => Status::ApplicationError,
            (_, Some(_), _) => Status::DeveloperError,
            (Value::Object(_) | Value::Array(_), None, 200) => Status::Success,
            _ => Status::DeveloperError,
        };
        prop_assert_eq!(response.status, expected);
        let result = response.result.unwrap();
        match (expected, error) {
            (Status::Success, _) => prop_assert_eq!(result.get(), text),
            (_, Some(error)) => prop_assert_eq!(result.get(), format!("{{\"error\":{error}}}")),
            _ => {}
        }
    }

    /// Nothing a container sends makes the invoker fail, and every result is JSON.
    #[test]
    fn any_bytes_give_a_valid_result(body in prop::collection::vec(any::<u8>(), 0..80), status in 100_u16..600) {
        let length = body.len() as u64;
        let response = of_run(Answer { status, body: &body, length }, LIMITS);
        serde_json::from_str::<Value>(response.result.unwrap().get()).unwrap();
    }
}
