//! A database as any other client of CouchDB sees it.

use oxwhisk_couchdb::CouchConfig;
use reqwest::{Client, Method};
use secrecy::ExposeSecret;
use serde_json::Value;

#[derive(Clone, Debug)]
pub(crate) struct Raw {
    http: Client,
    url: String,
    credentials: Option<(String, String)>,
}

impl Raw {
    /// Of the database of this name.
    pub(crate) fn new(config: &CouchConfig, database: &str) -> Self {
        let password = config.password.as_ref().map(|password| password.expose_secret().to_owned());
        let url = format!("{}/{database}", config.url());
        // The client's own needs its TLS provider, even where there is no TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().build().unwrap();
        Self { http, url, credentials: config.username.clone().zip(password) }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some((name, password)) = &self.credentials {
            request = request.basic_auth(name, Some(password));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// `id` is percent-encoded where it has to be.
    pub(crate) async fn get(&self, id: &str) -> Option<Value> {
        let (status, document) = self.send(Method::GET, &format!("/{id}"), None).await;
        (status == 200).then_some(document)
    }

    pub(crate) async fn bytes(&self, path: &str) -> Vec<u8> {
        let mut request = self.http.get(format!("{}/{path}", self.url));
        if let Some((name, password)) = &self.credentials {
            request = request.basic_auth(name, Some(password));
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        answer.bytes().await.unwrap().to_vec()
    }

    pub(crate) async fn create(&self) {
        let (status, answer) = self.send(Method::PUT, "", None).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Writes a document; answers its revision.
    pub(crate) async fn put(&self, id: &str, document: &Value) -> String {
        let (status, answer) = self.send(Method::PUT, &format!("/{id}"), Some(document)).await;
        assert!(status == 201 || status == 202, "{id}: {answer}");
        answer["rev"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn put_all(&self, documents: &[Value]) {
        let body = serde_json::json!({ "docs": documents });
        let (status, answer) = self.send(Method::POST, "/_bulk_docs", Some(&body)).await;
        assert_eq!(status, 201, "{answer}");
        let fault = answer.as_array().unwrap().iter().find(|outcome| outcome.get("error").is_some());
        assert!(fault.is_none(), "{fault:?}");
    }

    /// Rows of a view, `design/_view/name?query`.
    pub(crate) async fn rows(&self, view: &str) -> Vec<Value> {
        let (status, answer) = self.send(Method::GET, &format!("/_design/{view}"), None).await;
        assert_eq!(status, 200, "{answer}");
        answer["rows"].as_array().unwrap().clone()
    }
}
