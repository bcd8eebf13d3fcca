//! Code that no controller can give now is asked for again, as long as the invoker's patience lasts.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_grpc::{Access, Address, Listener as Socket, Role, Security, Server, ServerOptions};
use oxwhisk_invoker_api::CodeError;
use oxwhisk_invoker_remote::server::InvokerServerOptions;
use oxwhisk_proto::code::v1::code_server::{Code, CodeServer};
use oxwhisk_proto::code::v1::{GetCodeRequest, GetCodeResponse};
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status};

use crate::fixture::{LIMIT, Rig, dispatch};

const CODE: &str = "function main() {}";
/// Of tests in which it must run out; whatever it is, the outcome is the same.
const SHORT: Duration = Duration::from_millis(300);

/// Answers as the test says, and counts the questions.
#[derive(Clone, Debug)]
struct Codes {
    answer: Arc<Mutex<Result<&'static str, Status>>>,
    asked: Arc<AtomicUsize>,
}

impl Codes {
    fn new(answer: Result<&'static str, Status>) -> Self {
        Self { answer: Arc::new(Mutex::new(answer)), asked: Arc::default() }
    }

    fn answer(&self, answer: Result<&'static str, Status>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn asked_at_least(&self, times: usize) {
        let asked = async {
            while self.asked() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, asked).await.expect("it is asked");
    }

    /// Serves at an address, `127.0.0.1:0` for a free one, until what it gives is dropped.
    async fn serve(&self, address: &str) -> (Address, DropGuard) {
        let options = ServerOptions { grace: Duration::from_millis(50), ..ServerOptions::default() };
        let service = CodeServer::new(self.clone());
        let server = Server::builder(options).service(Access::roles(&[Role::Invoker]), service).build();
        let security = Security::Plaintext { insecure: false };
        let socket = Socket::bind(&address.parse().unwrap(), security).await.unwrap();
        let (address, serving) = (socket.address().clone(), CancellationToken::new());
        tokio::spawn(server.serve(socket, serving.clone()));
        (address, serving.drop_guard())
    }
}

#[tonic::async_trait]
impl Code for Codes {
    type GetCodeStream = Pin<Box<dyn Stream<Item = Result<GetCodeResponse, Status>> + Send>>;

    async fn get_code(&self, _: Request<GetCodeRequest>) -> Result<Response<Self::GetCodeStream>, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let part = self.answer.lock().unwrap().clone()?.as_bytes().to_vec();
        let response = GetCodeResponse { size: part.len() as u64, part };
        Ok(Response::new(Box::pin(tokio_stream::iter([Ok(response)]))))
    }
}

fn unavailable() -> Result<&'static str, Status> {
    Err(Status::unavailable("the store is away"))
}

/// An invoker with this patience.
async fn rig(code_patience: Duration) -> Rig {
    Rig::start(InvokerServerOptions { code_patience, ..InvokerServerOptions::default() }).await
}

/// Asks as the pool does when it needs the code of an action.
async fn ask(rig: &Rig) -> Result<Option<Bytes>, CodeError> {
    let (dispatch, ticket) = dispatch("{}");
    rig.server.code().code(&dispatch.action, Some(&ticket)).await
}

fn is_code(answer: Result<Option<Bytes>, CodeError>) {
    assert_eq!(answer.expect("code").as_deref(), Some(CODE.as_bytes()));
}

#[tokio::test]
async fn a_store_that_is_away_for_a_while_is_waited_for() {
    let rig = rig(LIMIT).await;
    let codes = Codes::new(unavailable());
    let (address, _serving) = codes.serve("127.0.0.1:0").await;
    let _controller = rig.controller_with_code(1, &address.to_string()).await;
    let comes_back = async {
        // Refused, and asked again.
        codes.asked_at_least(2).await;
        codes.answer(Ok(CODE));
    };
    let (answer, ()) = tokio::join!(ask(&rig), comes_back);
    is_code(answer);
}

#[tokio::test]
async fn a_controller_that_refuses_connections_for_a_while_is_waited_for() {
    let rig = rig(LIMIT).await;
    let (away, other) = (Codes::new(Ok(CODE)), Codes::new(unavailable()));
    let (address, serving) = away.serve("127.0.0.1:0").await;
    let address = address.to_string();
    let _away = rig.controller_with_code(1, &address).await;
    drop(serving);
    let refuses = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, refuses).await.expect("it ends");
    let (other_address, _other_serving) = other.serve("127.0.0.1:0").await;
    let _other = rig.controller_with_code(2, &other_address.to_string()).await;
    let comes_back = async {
        // Between two questions to the other one it was tried, in vain.
        other.asked_at_least(2).await;
        assert_eq!(away.asked(), 0);
        away.serve(&address).await
    };
    let (answer, _serving) = tokio::join!(ask(&rig), comes_back);
    is_code(answer);
    assert_eq!(away.asked(), 1);
}

#[tokio::test]
async fn any_controller_that_has_it_will_do() {
    let rig = rig(LIMIT).await;
    let (without, with) = (Codes::new(unavailable()), Codes::new(Ok(CODE)));
    let ((first, _a), (second, _b)) = (without.serve("127.0.0.1:0").await, with.serve("127.0.0.1:0").await);
    let _first = rig.controller_with_code(1, &first.to_string()).await;
    // Asked when the other has joined.
    let joins = async {
        without.asked_at_least(1).await;
        rig.controller_with_code(2, &second.to_string()).await
    };
    let (answer, _second) = tokio::join!(ask(&rig), joins);
    is_code(answer);
    assert_eq!(with.asked(), 1);
}

#[tokio::test]
async fn one_that_stays_away_is_given_up() {
    let rig = rig(SHORT).await;
    let codes = Codes::new(unavailable());
    let (address, _serving) = codes.serve("127.0.0.1:0").await;
    let _controller = rig.controller_with_code(1, &address.to_string()).await;
    let answer = tokio::time::timeout(LIMIT, ask(&rig)).await.expect("an end");
    assert!(matches!(answer, Err(CodeError::Unavailable)), "{answer:?}");
    assert!(codes.asked() > 0);
    // The same where there is nobody to ask.
    let rig = self::rig(SHORT).await;
    let answer = tokio::time::timeout(LIMIT, ask(&rig)).await.expect("an end");
    assert!(matches!(answer, Err(CodeError::Unavailable)), "{answer:?}");
}

#[tokio::test]
async fn what_will_not_change_is_asked_once() {
    let rig = rig(LIMIT).await;
    let codes = Codes::new(Err(Status::not_found("it was deleted")));
    let (address, _serving) = codes.serve("127.0.0.1:0").await;
    let _controller = rig.controller_with_code(1, &address.to_string()).await;
    assert!(matches!(ask(&rig).await, Err(CodeError::NotFound)));
    codes.answer(Err(Status::failed_precondition("it has another kind")));
    assert!(matches!(ask(&rig).await, Err(CodeError::Mismatch)));
    codes.answer(Err(Status::permission_denied("the ticket expired")));
    assert!(matches!(ask(&rig).await, Err(CodeError::Unavailable)));
    assert_eq!(codes.asked(), 3);
}

#[tokio::test]
async fn code_that_is_too_large_is_not_fetched_again_and_again() {
    let options =
        InvokerServerOptions { code_patience: LIMIT, max_code: 4, ..InvokerServerOptions::default() };
    let rig = Rig::start(options).await;
    let codes = Codes::new(Ok(CODE));
    let (address, _serving) = codes.serve("127.0.0.1:0").await;
    let _controller = rig.controller_with_code(1, &address.to_string()).await;
    assert!(matches!(ask(&rig).await, Err(CodeError::Unavailable)));
    assert_eq!(codes.asked(), 1);
}
