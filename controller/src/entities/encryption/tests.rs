use serde_json::json;

use super::*;

fn key(bytes: std::ops::Range<u8>) -> SecretString {
    STANDARD.encode(bytes.collect::<Vec<u8>>()).into()
}

fn ciphers(current: EncryptionScheme) -> ParameterCiphers {
    let ciphers = ParameterCiphers::default().with_key(EncryptionScheme::Aes128, &key(0..16)).unwrap();
    let ciphers = ciphers.with_key(EncryptionScheme::Aes256, &key(0..32)).unwrap();
    ciphers.encrypting_with(current).unwrap()
}

fn parameters(json: serde_json::Value) -> Parameters {
    Parameters::from_json(&oxwhisk_core::json::raw(&json)).unwrap()
}

fn opened(ciphers: &ParameterCiphers, locked: &Parameters) -> Vec<String> {
    let open = |parameter: &Parameter| {
        let scheme = parameter.encryption.as_deref().unwrap();
        let sealed = oxwhisk_core::json::string(&parameter.value).unwrap();
        ciphers.unlock(scheme, &sealed).unwrap().unwrap()
    };
    locked.iter().map(open).collect()
}

#[test]
fn every_kind_of_value_comes_back() {
    let plain = parameters(json!([
        {"key": "text", "value": "a"}, {"key": "number", "value": 1.5}, {"key": "nothing", "value": null},
        {"key": "object", "value": {"b": [true]}, "init": true}
    ]));
    for scheme in EncryptionScheme::ALL {
        let ciphers = ciphers(scheme);
        let locked = ciphers.lock(&plain).unwrap();
        assert!(locked.iter().all(|parameter| parameter.encryption.as_deref() == Some(scheme.name())));
        assert_eq!(opened(&ciphers, &locked), [r#""a""#, "1.5", "null", r#"{"b":[true]}"#]);
        let init: Vec<bool> = locked.iter().map(|parameter| parameter.init).collect();
        assert_eq!(init, [false, false, false, true]);
    }
}

#[test]
fn what_is_encrypted_is_not_encrypted_again() {
    let old = ciphers(EncryptionScheme::Aes128).lock(&parameters(json!([{"key": "a", "value": 1}]))).unwrap();
    let now = ciphers(EncryptionScheme::Aes256);
    assert_eq!(now.lock(&old).unwrap(), old);
    assert_eq!(opened(&now, &old), ["1"]);
}

#[test]
fn without_a_current_scheme_nothing_is_encrypted() {
    let plain = parameters(json!([{"key": "a", "value": 1}]));
    let only_old = ParameterCiphers::default().with_key(EncryptionScheme::Aes128, &key(0..16)).unwrap();
    assert_eq!(only_old.lock(&plain).unwrap(), plain);
}

#[test]
fn unknown_schemes_pass_and_known_ones_need_their_key() {
    let none = ParameterCiphers::default();
    assert_eq!(none.unlock("noop", "x"), Ok(None));
    assert_eq!(none.unlock("rot-13", "x"), Ok(None));
    let missing = none.unlock("aes-256", "x").unwrap_err();
    assert_eq!(missing.to_string(), "no key of aes-256 is configured");

    let locked =
        ciphers(EncryptionScheme::Aes256).lock(&parameters(json!([{"key": "a", "value": 1}]))).unwrap();
    let other = none.with_key(EncryptionScheme::Aes256, &key(1..33)).unwrap();
    let value = locked.string("a").unwrap();
    assert_eq!(other.unlock("aes-256", &value), Err(UnlockError::Open(OpenError::NotAuthentic)));
}

#[test]
fn a_parameter_without_a_value_has_none_when_encrypted_either() {
    let ciphers = ciphers(EncryptionScheme::Aes256);
    let declared = parameters(json!([{"key": "free", "value": null}, {"key": "set", "value": 1}]));
    for parameters in [declared.clone(), ciphers.lock(&declared).unwrap()] {
        let has: Vec<bool> = parameters.iter().map(|parameter| ciphers.has_value(parameter)).collect();
        assert_eq!(has, [false, true]);
    }
    let locked = ciphers.lock(&declared).unwrap();
    assert!(locked.iter().all(|parameter| ParameterCiphers::default().has_value(parameter)));
}

#[test]
fn keys_are_checked_and_never_shown() {
    let with = |scheme, key: &str| ParameterCiphers::default().with_key(scheme, &key.into());
    let text = |result: Result<ParameterCiphers, KeyError>| result.unwrap_err().to_string();
    assert_eq!(text(with(EncryptionScheme::Aes128, "§§")), "the key is not base64");
    assert_eq!(text(with(EncryptionScheme::Aes128, "c2VjcmV0")), "the key has 6 bytes, aes-128 takes 16");
    assert_eq!(
        text(with(EncryptionScheme::Aes256, key(0..16).expose_secret())),
        "the key has 16 bytes, aes-256 takes 32"
    );
    let without = ParameterCiphers::default().encrypting_with(EncryptionScheme::Aes128);
    assert_eq!(text(without), "there is no key of aes-128 to encrypt with");
    assert_eq!(
        format!("{:?}", ciphers(EncryptionScheme::Aes256)),
        "ParameterCiphers { current: Some(Aes256), keys: [Aes128, Aes256] }"
    );
}

#[test]
fn a_value_comes_back_with_all_its_digits() {
    let list = r#"[{"key":"a","value":{"n":123456789012345678901234567890,"e":1e400,"s":"\ud800"}}]"#;
    let plain = Parameters::from_json(serde_json::from_str(list).unwrap()).unwrap();
    let ciphers = ciphers(EncryptionScheme::Aes256);
    let locked = ciphers.lock(&plain).unwrap();
    assert_eq!(opened(&ciphers, &locked), [plain.get("a").unwrap().get()]);
}
