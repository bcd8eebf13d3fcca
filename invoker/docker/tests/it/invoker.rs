//! The invoker over Docker, end to end: this project's runtimes in their images, and users' images.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::{ActivationId, Revision, TransactionId};
use oxwhisk_core::limits::ActionLimits;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_core::version::Version;
use oxwhisk_invoker::{Invoker, InvokerConfig};
use oxwhisk_invoker_api::{
    ActionDescriptor, Caller, CodeError, CodeSource, Completion, Delivery, Dispatch, InvokerClient,
    RecordContext, RecordError, RecordSink, ResponseLimits, StorePolicy,
};
use oxwhisk_ticket::Ticket;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::images;
use crate::rig::{LIMIT, Rig, eventually, skip};

/// Code by action name.
#[derive(Debug, Default)]
struct Codes(HashMap<&'static str, &'static str>);

#[async_trait]
impl CodeSource for Codes {
    async fn code(
        &self,
        action: &ActionDescriptor,
        _ticket: Option<&Ticket>,
    ) -> Result<Option<Bytes>, CodeError> {
        let code = self.0.get(action.id.name.as_str()).ok_or(CodeError::NotFound)?;
        Ok(Some(Bytes::from_static(code.as_bytes())))
    }
}

#[derive(Debug, Default)]
struct Records(Mutex<HashMap<ActivationId, Arc<Activation>>>);

impl RecordSink for Records {
    fn accept(&self, record: &Arc<Activation>, _of: RecordContext<'_>) -> Result<(), RecordError> {
        // A later record of an activation has its logs.
        self.0.lock().unwrap().insert(record.activation_id, Arc::clone(record));
        Ok(())
    }
}

const NODEJS: &str = "function main(args) { console.log('out ' + args.n); console.error('err ' + args.n); \
                      return { n: args.n, id: process.env.__OW_ACTIVATION_ID, host: process.env.__OW_API_HOST }; }";
const PYTHON: &str = "import os, sys\ndef main(args):\n    print('out', args['n'])\n    print('err', args['n'], file=sys.stderr)\n\
                      \x20   return {'n': args['n'], 'id': os.environ['__OW_ACTIVATION_ID'], 'host': os.environ['__OW_API_HOST']}";
const NATIVE: &str = "#!/bin/sh\necho out $(printf '%s' \"$1\" | tr -dc 0-9)\necho err $(printf '%s' \"$1\" | tr -dc 0-9) >&2\n\
                      echo \"{\\\"n\\\": $(printf '%s' \"$1\" | tr -dc 0-9), \\\"id\\\": \\\"$__OW_ACTIVATION_ID\\\", \\\"host\\\": \\\"$__OW_API_HOST\\\"}\"";

const GREEDY: &str = "def main(args):\n    return {'size': len(bytearray(1 << 30))}";

struct Platform {
    rig: Rig,
    invoker: Arc<Invoker>,
    records: Arc<Records>,
}

impl Platform {
    async fn start(test: &str) -> Option<Self> {
        let rig = Rig::start(test).await?;
        if let Err(why) = images::ensure_runtimes(&rig.daemon).await {
            skip(test, &why);
            return None;
        }
        let codes = [("js", NODEJS), ("py", PYTHON), ("sh", NATIVE), ("greedy", GREEDY)].into();
        let mut config =
            InvokerConfig { api_host: "http://api.example.com".to_owned(), ..InvokerConfig::default() };
        config.pause_grace = Duration::from_millis(50);
        let records = Arc::new(Records::default());
        let (factory, codes) = (rig.factory.clone(), Arc::new(Codes(codes)));
        let invoker = Invoker::start(config, factory, codes, records.clone(), None).await.unwrap();
        Some(Self { rig, invoker, records })
    }

    async fn run(&self, action: &ActionDescriptor, arguments: &Value) -> Completion {
        let dispatch = dispatch(action, arguments);
        tokio::time::timeout(LIMIT, self.invoker.dispatch(dispatch)).await.unwrap().unwrap()
    }

    /// The logs of the record, without their times, once they are there.
    async fn logs(&self, id: ActivationId, lines: usize) -> Vec<String> {
        let logs = || self.records.0.lock().unwrap()[&id].logs.clone();
        eventually("the logs arrive", async || logs().len() >= lines).await;
        let mut logs: Vec<String> = logs().iter().map(|line| line[31..].to_owned()).collect();
        // The two streams have no order.
        logs.sort_unstable();
        logs
    }

    async fn stop(self) {
        assert!(self.invoker.shutdown(Instant::now() + LIMIT).await);
        self.rig.end().await;
    }
}

fn action(name: &str, image: &str, by_user: bool) -> ActionDescriptor {
    let guest = EntityName::new("guest").unwrap();
    ActionDescriptor {
        id: FullyQualifiedName::parse(&format!("/guest/{name}"), &guest).unwrap(),
        version: Version::FIRST,
        revision: Revision("1-a".to_owned()),
        kind: if by_user { "blackbox".to_owned() } else { format!("{name}:1") },
        image: image.parse().unwrap(),
        user_provided_image: by_user,
        sentinelled_logs: true,
        main: None,
        binary: false,
        has_code: !by_user,
        limits: ActionLimits { timeout: 30_000, memory: 128, logs: 10, concurrency: 1, instances: None },
    }
}

fn dispatch(action: &ActionDescriptor, arguments: &Value) -> Dispatch {
    Dispatch {
        transaction: TransactionId::from_client(Some("tid")),
        activation_id: ActivationId::generate(),
        action: Arc::new(action.clone()),
        caller: Caller {
            subject: "guest".into(),
            namespace: EntityName::new("guest").unwrap(),
            namespace_uuid: "uuid".into(),
        },
        api_key: None,
        arguments: RawValue::from_string(arguments.to_string()).unwrap().into(),
        init_environment: Vec::new(),
        cause: None,
        binding: None,
        received: 0,
        attempt: 1,
        delivery: Delivery::AtLeastOnce,
        response_limits: ResponseLimits { max: 1 << 20, truncation: 1 << 20 },
        store: StorePolicy::ALWAYS,
        cache: None,
        ticket: None,
        trace: None,
    }
}

fn result(completion: &Completion) -> (u8, Value) {
    let response = &completion.activation.response;
    (response.status.code(), serde_json::from_str(response.result.as_ref().unwrap().get()).unwrap())
}

async fn check_runtime(test: &str, action_name: &str, image: &str) {
    let Some(platform) = Platform::start(test).await else { return };
    let action = action(action_name, &images::name(image), false);
    for number in 0..4 {
        let completion = platform.run(&action, &json!({"n": number})).await;
        let id = completion.activation.activation_id;
        let expected = json!({"n": number, "id": id.to_string(), "host": "http://api.example.com"});
        assert_eq!(result(&completion), (0, expected));
        let logs = platform.logs(id, 2).await;
        assert_eq!(logs, [format!("stderr: err {number}"), format!("stdout: out {number}")]);
        assert_eq!(completion.activation.annotations.get("initTime").is_some(), number == 0);
        if number % 2 == 1 {
            // Long enough to be suspended: the next run resumes it.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
    assert_eq!(platform.rig.containers().len(), 1);
    assert!(platform.rig.containers()[0].ends_with(&format!("0_1_cold_{action_name}_1")));
    platform.stop().await;
}

#[tokio::test]
async fn nodejs_actions_run() {
    check_runtime("nodejs_actions_run", "js", "nodejs").await;
}

#[tokio::test]
async fn python_actions_run() {
    check_runtime("python_actions_run", "py", "python").await;
}

#[tokio::test]
async fn native_actions_run() {
    check_runtime("native_actions_run", "sh", "native").await;
}

#[tokio::test]
async fn users_images_fail_with_openwhisks_texts() {
    let Some(platform) = Platform::start("users_images_fail_with_openwhisks_texts").await else { return };
    for image in ["dies", "silent", "nowhere"] {
        platform.rig.daemon.docker(&["tag", &images::name(image), &format!("oxwhisk-test/{image}:1")]);
    }
    let init_lost = "The action did not initialize and exited unexpectedly.";
    let timeout = "The action exceeded its time limits of 1000 milliseconds during initialization.";
    for (image, text) in [
        ("127.0.0.1:9/me/missing", "Failed to pull container image '127.0.0.1:9/me/missing'."),
        ("oxwhisk-test/nowhere:1", "executable file not found in image oxwhisk-test/nowhere:1"),
        ("oxwhisk-test/dies:1", init_lost),
        ("oxwhisk-test/silent:1", timeout),
    ] {
        let mut action = action("image", image, true);
        if image.contains("silent") {
            action.limits.timeout = 1000;
        }
        let completion = platform.run(&action, &json!({})).await;
        assert_eq!(result(&completion), (2, json!({"error": text})), "{image}");
    }
    let runtime = action("js", "127.0.0.1:9/openwhisk/missing:1", false);
    let failed = platform.run(&runtime, &json!({})).await;
    assert_eq!(result(&failed), (3, json!({"error": "Failed to provision resources to run the action."})));
    platform.stop().await;
}

#[tokio::test]
async fn an_action_without_memory_left_is_told_so() {
    let Some(platform) = Platform::start("an_action_without_memory_left_is_told_so").await else { return };
    let greedy = action("greedy", &images::name("python"), false);
    let completion = platform.run(&greedy, &json!({})).await;
    let text = "The action exhausted its memory and was aborted.";
    assert_eq!(result(&completion), (2, json!({"error": text})));
    platform.stop().await;
}
