//! The chain as a table: variables and files in, credentials or the error out.

use super::*;

const HOME: &str = "/home/a";
const SDK: &str = "/home/a/.tencentcloud/credentials";
const ETC: &str = "/etc/tencentcloud/credentials";
const TCCLI: &str = "/home/a/.tccli/default.credential";

fn chain(variables: &[(&str, &str)], files: &[(&str, &str)]) -> CredentialChain {
    let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let files: BTreeMap<PathBuf, String> =
        files.iter().map(|(p, t)| (PathBuf::from(p), (*t).to_owned())).collect();
    let read = move |path: &Path| match files.get(path).map(String::as_str) {
        Some("DENIED") => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
        Some(text) => Ok(text.to_owned()),
        None => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    CredentialChain::new(&variables, Some(PathBuf::from(HOME)), Arc::new(read))
}

fn shown(credentials: &Credentials) -> (String, String, Option<String>) {
    let token = credentials.token.as_ref().map(|t| t.expose_secret().to_owned());
    (credentials.secret_id.clone(), credentials.secret_key.expose_secret().to_owned(), token)
}

const ID: (&str, &str) = ("TENCENTCLOUD_SECRET_ID", "id");
const KEY: (&str, &str) = ("TENCENTCLOUD_SECRET_KEY", "key");
const SCF: [(&str, &str); 3] = [
    ("TENCENTCLOUD_SECRETID", "scf-id"),
    ("TENCENTCLOUD_SECRETKEY", "scf-key"),
    ("TENCENTCLOUD_SESSIONTOKEN", "scf-token"),
];
const SDK_TEXT: &str = "[default]\nsecret_id = file-id\nsecret_key = file-key\n";
const TCCLI_TEXT: &str = r#"{"secretId":"cli-id","secretKey":"cli-key","token":"cli-token"}"#;

#[test]
fn each_place_is_found_and_earlier_ones_win() {
    use CredentialSource::*;
    type Texts = &'static [(&'static str, &'static str)];
    let cases: [(Texts, Texts, CredentialSource, (&str, &str, Option<&str>)); 12] = [
        (&[ID, KEY], &[], Environment, ("id", "key", None)),
        (&[ID, KEY, ("TENCENTCLOUD_SESSION_TOKEN", "t")], &[], Environment, ("id", "key", Some("t"))),
        (&[ID, KEY, ("TENCENTCLOUD_TOKEN", "t")], &[], Environment, ("id", "key", Some("t"))),
        (&[ID, KEY, ("TENCENTCLOUD_SECURITY_TOKEN", "t")], &[], Environment, ("id", "key", Some("t"))),
        (&SCF, &[(SDK, SDK_TEXT)], FunctionEnvironment, ("scf-id", "scf-key", Some("scf-token"))),
        (&[ID, KEY, SCF[0], SCF[1], SCF[2]], &[], Environment, ("id", "key", None)),
        (&[], &[(SDK, SDK_TEXT), (ETC, "x"), (TCCLI, TCCLI_TEXT)], SdkFile, ("file-id", "file-key", None)),
        (&[], &[(ETC, SDK_TEXT), (TCCLI, TCCLI_TEXT)], SdkFile, ("file-id", "file-key", None)),
        (&[], &[(SDK, "[other]\nsecret_id=x\n"), (ETC, SDK_TEXT)], SdkFile, ("file-id", "file-key", None)),
        (
            &[("TENCENTCLOUD_CREDENTIALS_FILE", "/k")],
            &[("/k", SDK_TEXT), (SDK, "x")],
            SdkFile,
            ("file-id", "file-key", None),
        ),
        (&[], &[(TCCLI, TCCLI_TEXT)], TccliFile, ("cli-id", "cli-key", Some("cli-token"))),
        (
            &[("TCCLI_PROFILE", "ops")],
            &[(TCCLI, "x"), ("/home/a/.tccli/ops.credential", TCCLI_TEXT)],
            TccliFile,
            ("cli-id", "cli-key", Some("cli-token")),
        ),
    ];
    for (variables, files, source, (id, key, token)) in cases {
        let found = chain(variables, files).load().unwrap_or_else(|e| panic!("{variables:?} {files:?}: {e}"));
        let expected = (id.to_owned(), key.to_owned(), token.map(str::to_owned));
        assert_eq!((found.source, shown(&found)), (source, expected), "{variables:?} {files:?}");
    }
}

#[test]
fn a_place_that_was_meant_but_cannot_be_used_stops_the_chain() {
    type Texts = &'static [(&'static str, &'static str)];
    let good: (&str, &str) = (TCCLI, TCCLI_TEXT);
    let cases: [(Texts, (&str, &str), &str); 12] = [
        (&[ID], good, "missing"),
        (&[KEY], good, "missing"),
        (&[SCF[0]], good, "missing"),
        (&[("TENCENTCLOUD_SECRET_ID", "id\n"), KEY], good, "blanks"),
        (&[ID, ("TENCENTCLOUD_SECRET_KEY", "k ey")], good, "blanks"),
        (&[ID, KEY, ("TENCENTCLOUD_TOKEN", "a\u{e9}")], good, "beyond ASCII"),
        (&[ID, KEY, ("TENCENTCLOUD_TOKEN", "a"), ("TENCENTCLOUD_SESSION_TOKEN", "b")], good, "differ"),
        (&[], (SDK, "[default]\nsecret_id = only\n"), "missing"),
        (&[], (SDK, "DENIED"), "cannot be read"),
        (&[], (SDK, "[default]\nHUSH-HUSH\n"), "line 2"),
        (&[], (TCCLI, "{\"secretKey\":\"HUSH-HUSH\",}"), "not JSON"),
        (&[("TCCLI_PROFILE", "../../etc/x")], good, "profile"),
    ];
    for (variables, file, problem) in cases {
        let error = chain(variables, &[file]).load().unwrap_err();
        assert!(matches!(error, CredentialsError::Unusable { .. }), "{variables:?}: {error}");
        let text = error.to_string();
        assert!(text.contains(problem) && !text.contains("HUSH"), "{variables:?}: {text}");
    }
    let huge = format!("[default]\n{}", "#\n".repeat(40_000));
    assert!(chain(&[], &[(SDK, &huge)]).load().unwrap_err().to_string().contains("64 KiB"));
}

#[test]
fn nothing_anywhere_lists_every_place() {
    let error = chain(&[("TENCENTCLOUD_SECRET_ID", "")], &[]).load().unwrap_err();
    let text = error.to_string();
    for place in ["TENCENTCLOUD_SECRET_ID/", "TENCENTCLOUD_SECRETID/", SDK, ETC, TCCLI] {
        assert!(text.contains(place), "{place} in {text}");
    }
    let error = CloudError::from(error);
    assert_eq!((error.code.as_str(), error.class), ("NoCredentials", ErrorClass::Operator));
}

#[test]
fn without_a_home_the_files_of_the_machine_are_still_asked() {
    let chain = CredentialChain { home: None, ..chain(&[], &[(ETC, SDK_TEXT)]) };
    assert_eq!(chain.load().unwrap().secret_id, "file-id");
}

#[test]
fn no_secret_is_printed() {
    let chain = chain(&[ID, ("TENCENTCLOUD_SECRET_KEY", "HUSH"), ("TENCENTCLOUD_TOKEN", "HUSH")], &[]);
    let cache = CredentialCache::new(chain.clone());
    let credentials = cache.current().unwrap();
    for text in [format!("{chain:?}"), format!("{credentials:?}"), format!("{cache:?}")] {
        assert!(!text.contains("HUSH"), "{text}");
    }
}

#[test]
fn credentials_are_kept_until_renewed_and_renewal_tells_whether_anything_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("k");
    let write =
        |id: &str| std::fs::write(&path, format!("[default]\nsecret_id={id}\nsecret_key=k\n")).unwrap();
    write("one");
    let name = path.display().to_string();
    let variables = BTreeMap::from([("TENCENTCLOUD_CREDENTIALS_FILE".to_owned(), name)]);
    let cache = CredentialCache::new(CredentialChain::from_disk(&variables, None));
    let one = cache.current().unwrap();
    write("two");
    assert_eq!(cache.current().unwrap().secret_id, "one");
    let two = cache.renew(&one).unwrap().unwrap();
    assert_eq!((two.secret_id.as_str(), cache.current().unwrap().secret_id.as_str()), ("two", "two"));
    assert!(cache.renew(&two).unwrap().is_none());
    std::fs::remove_file(&path).unwrap();
    assert!(cache.renew(&two).is_err());
    assert_eq!(cache.current().unwrap().secret_id, "two");
}
