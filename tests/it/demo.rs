//! `sharehook demo` on both sites: the stand-in cloud and the configuration are the site's.

use crate::support::process::run;

#[test]
fn the_demo_observes_everything_on_both_sites() {
    let folder = tempfile::tempdir().unwrap();
    for site in ["intl", "cn"] {
        let output = run(folder.path(), &["demo", "--site", site]);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{site}: {printed}");
        assert!(printed.contains("Everything above was observed."), "{site}");
        assert!(
            printed.contains("comment  Shared lhbp-6jc6l8yb"),
            "{printed}"
        );
    }
    let output = run(folder.path(), &["demo", "--site", "moon"]);
    assert_eq!(output.status.code(), Some(64));
    let refusal = String::from_utf8_lossy(&output.stderr);
    assert!(refusal.contains("\"intl\" or \"cn\""), "{refusal}");
}
