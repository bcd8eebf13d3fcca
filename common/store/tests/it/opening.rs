//! What opening a data directory says when it cannot be used.

use std::path::Path;

use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Subject, SubjectNamespace};
use oxwhisk_store::StoreError;
use oxwhisk_store::sqlite::{OpenError, SqliteOptions, SqliteStores};

fn open(directory: &Path) -> Result<SqliteStores, OpenError> {
    SqliteStores::open(directory, &SqliteOptions::default())
}

#[test]
fn a_second_server_is_refused_until_the_first_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let kept = first.entities();
    drop(first);
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(kept);
    open(directory.path()).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("activations.db"),
        "not a database, but long enough for a header".repeat(9),
    )
    .unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("activations.db") && !error.to_string().contains('\n'), "{error}");
}

#[test]
fn a_file_of_a_newer_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let file = rusqlite::Connection::open(directory.path().join("entities.db")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = open(&file.join("data")).unwrap_err();
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
}

/// The page where the index of the limits begins.
fn index_page(path: &Path) -> usize {
    let file = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_limits_1'";
    file.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap() as usize
}

#[tokio::test]
async fn a_damaged_page_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let namespace = EntityName::new("me").unwrap();
    {
        let stores = open(directory.path()).unwrap();
        stores.subjects().put_limits(&namespace, Some(&UserLimits::default())).await.unwrap();
    }
    let path = directory.path().join("entities.db");
    let page = index_page(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096 * (page - 1)..4096 * page].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let stores = open(directory.path()).unwrap();
    let error = stores.subjects().limits(&namespace).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(text) if text.contains("entities.db")), "{error}");
}

#[tokio::test]
async fn limits_that_cannot_be_read_count_as_none() {
    let directory = tempfile::tempdir().unwrap();
    let namespace = EntityName::new("me").unwrap();
    let auth = AuthKey { uuid: "23bc46b1-71f6-4ed5-8c54-816aa4f8c502".to_owned(), key: "k".repeat(64) };
    let entry = SubjectNamespace { name: namespace.clone(), auth: auth.clone() };
    let subject = Subject { subject: "me".to_owned(), blocked: false, namespaces: vec![entry] };
    let stores = open(directory.path()).unwrap();
    stores.subjects().put_subject(&subject).await.unwrap();
    let file = rusqlite::Connection::open(directory.path().join("entities.db")).unwrap();
    file.execute("INSERT INTO limits VALUES ('me', '{\"invocationsPerMinute\":\"many\"}')", []).unwrap();
    assert_eq!(stores.subjects().limits(&namespace).await.unwrap(), None);
    let identity = stores.subjects().identity_by_key(&auth).await.unwrap().unwrap();
    assert_eq!(identity.limits, UserLimits::default());
}
