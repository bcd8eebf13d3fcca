//! What is committed in `src/generated/` is what the contracts give.

use std::path::Path;

use oxwhisk_proto_generate::{contracts, descriptors, directory, files_of, generate};

#[test]
fn generated_code_is_up_to_date() {
    let (expected, committed) = (generate().expect("code"), files_of(&directory()).expect("readable"));
    let mut names: Vec<&String> = expected.keys().chain(committed.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| expected.get(*name) != committed.get(*name));
    assert!(
        names.is_empty(),
        "{names:?} in proto/src/generated are not what the contracts give: cargo run -p oxwhisk-proto-generate"
    );
}

#[test]
fn every_contract_has_code() {
    let committed = files_of(&directory()).expect("readable");
    for contract in contracts().expect("readable") {
        let folder = contract.parent().unwrap_or_else(|| Path::new("")).to_string_lossy().replace('/', ".");
        assert!(committed.contains_key(&format!("{folder}.rs")), "{}", contract.display());
    }
    assert!(!descriptors().expect("sound").file.is_empty());
}
