//! A test's own namespace: requests with its key, and the few steps nearly every test takes.

use serde_json::{Value, json};

use crate::http::{Api, Request};
use crate::process::Logs;
use crate::response::Response;
use crate::users::User;
use crate::wait;

/// One namespace seen by its owner. When the test that holds it fails, the end of the server's log is printed.
#[derive(Debug)]
pub struct Tenant {
    api: Api,
    user: User,
    logs: Option<Logs>,
}

impl Tenant {
    /// The namespace of `user`; `logs` is known for servers that this process started.
    pub fn new(api: Api, user: User, logs: Option<Logs>) -> Self {
        Self { api, user, logs }
    }

    /// The same namespace where the same server is reached at another address.
    pub fn at(self, api: Api) -> Self {
        Self { api, user: self.user.clone(), logs: self.logs.clone() }
    }

    /// Where the API is.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Who owns the namespace.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The name of the namespace.
    pub fn namespace(&self) -> &str {
        &self.user.namespace
    }

    /// A request to `/api/v1/namespaces/_/{rest}` with the owner's key.
    pub fn request(&self, method: &str, rest: &str) -> Request {
        self.api.request(method, &format!("/api/v1/namespaces/_/{rest}")).auth(&self.user)
    }

    /// `GET` below the own namespace.
    #[track_caller]
    pub fn get(&self, rest: &str) -> Response {
        self.request("GET", rest).send()
    }

    /// `PUT` below the own namespace.
    #[track_caller]
    pub fn put(&self, rest: &str, body: &Value) -> Response {
        self.request("PUT", rest).json(body).send()
    }

    /// `POST` below the own namespace.
    #[track_caller]
    pub fn post(&self, rest: &str, body: &Value) -> Response {
        self.request("POST", rest).json(body).send()
    }

    /// `DELETE` below the own namespace.
    #[track_caller]
    pub fn delete(&self, rest: &str) -> Response {
        self.request("DELETE", rest).send()
    }

    /// Creates an action that must not exist yet.
    #[track_caller]
    pub fn create(&self, name: &str, body: &Value) -> Value {
        self.put(&format!("actions/{name}"), body).expect(200).json()
    }

    /// Updates an action.
    #[track_caller]
    pub fn update(&self, name: &str, body: &Value) -> Value {
        self.put(&format!("actions/{name}?overwrite=true"), body).expect(200).json()
    }

    /// Invokes an action and waits for its record.
    #[track_caller]
    pub fn call(&self, name: &str, payload: &Value) -> Response {
        self.post(&format!("actions/{name}?blocking=true"), payload)
    }

    /// Invokes an action and waits for its result alone.
    #[track_caller]
    pub fn call_for_result(&self, name: &str, payload: &Value) -> Response {
        self.post(&format!("actions/{name}?blocking=true&result=true"), payload)
    }

    /// Invokes an action without waiting and gives the activation id of the 202.
    #[track_caller]
    pub fn fire(&self, name: &str, payload: &Value) -> String {
        activation_id(&self.post(&format!("actions/{name}"), payload).expect(202))
    }

    /// The stored record of an activation; waits until there is one.
    #[track_caller]
    pub fn record(&self, id: &str) -> Value {
        wait::until(&format!("the record of activation {id}"), || {
            let response = self.get(&format!("activations/{id}"));
            if response.status == 404 {
                return Err(format!("{response:?}"));
            }
            Ok(response.expect(200).json())
        })
    }

    /// Invokes an action, waits, and gives the *stored* record, which has the logs.
    #[track_caller]
    pub fn call_and_get_record(&self, name: &str, payload: &Value) -> Value {
        let response = self.call(name, payload);
        self.record(&activation_id(&response))
    }

    /// The kinds of a runtime family as `GET /` tells them.
    #[track_caller]
    pub fn kinds(&self, family: &str) -> Vec<Value> {
        let info = self.api.get("/").send().expect(200).json();
        match &info["runtimes"][family] {
            Value::Array(kinds) => kinds.clone(),
            other => panic!("GET / names no runtimes of family {family}: {other}"),
        }
    }

    /// The default kind of a runtime family, e.g. `nodejs:20`.
    #[track_caller]
    pub fn default_kind(&self, family: &str) -> String {
        let kinds = self.kinds(family);
        let default = kinds.iter().find(|kind| kind["default"] == json!(true));
        match default.and_then(|kind| kind["kind"].as_str()) {
            Some(kind) => kind.to_owned(),
            None => panic!("family {family} has no default kind: {kinds:?}"),
        }
    }

    /// Deletes every action, so that a namespace used by an earlier run starts empty.
    #[track_caller]
    pub fn clear(&self) {
        loop {
            let actions = self.get("actions?limit=200").expect(200).array();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                let name = action["name"].as_str().expect("a name");
                let response = self.delete(&format!("actions/{}", crate::http::encode(name)));
                response.check(matches!(response.status, 200 | 404), "deleting an old action");
            }
        }
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        if let (true, Some(logs)) = (std::thread::panicking(), &self.logs) {
            logs.print_tail();
        }
    }
}

/// The id in an answer to an invocation, after checking that header and body agree.
#[track_caller]
pub fn activation_id(response: &Response) -> String {
    let Some(id) = response.header("x-openwhisk-activation-id") else {
        panic!("no x-openwhisk-activation-id\n{response:?}");
    };
    if let Some(in_body) = response.json().get("activationId") {
        assert_eq!(in_body.as_str(), Some(id), "header and body name different activations\n{response:?}");
    }
    id.to_owned()
}
