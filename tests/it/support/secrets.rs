//! Remembers the secrets that tests hand out. Searches for them in everything that the program
//! returns: output of processes, HTTP answers, journals and notifications. A test that finds a
//! secret fails.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Environment variables whose names end like this hold secrets.
const ENDINGS: [&str; 5] = ["SECRET", "TOKEN", "KEY", "LOGIN", "PASSWORD"];
/// A shorter text may occur by chance.
const MIN_LENGTH: usize = 12;

static HANDED_OUT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Remembers a secret for the search, both as it is and decoded, and as the header of a login.
pub(crate) fn hand_out(secret: &str) {
    let key = secret.strip_prefix("whsec_").unwrap_or(secret);
    let decoded = STANDARD
        .decode(key)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let login = secret
        .split_once(':')
        .map(|(_, password)| [password.to_owned(), STANDARD.encode(secret)]);
    let forms = [key.to_owned()]
        .into_iter()
        .chain(decoded)
        .chain(login.into_iter().flatten());
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    handed_out.extend(forms.filter(|form| form.len() >= MIN_LENGTH));
}

/// Writes a secret to a file, and remembers the secret for the search.
pub(crate) fn write(file: &Path, secret: &str) {
    hand_out(secret);
    std::fs::write(file, secret).unwrap();
}

/// Remembers the values of the variables whose names end like the names of secrets.
pub(crate) fn hand_out_variables<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (name, value) in variables {
        if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            hand_out(value);
        }
    }
}

/// Remembers the secrets in the environment variables of a command.
pub(crate) fn hand_out_to(command: &Command) {
    let text = |value: &'_ OsStr| value.to_str().map(str::to_owned);
    let pairs = command
        .get_envs()
        .filter_map(|(name, value)| Some((text(name)?, text(value?)?)));
    for (name, value) in pairs {
        hand_out_variables([(name.as_str(), value.as_str())]);
    }
}

/// Fails the test if `bytes` from `place` contain a secret.
#[track_caller]
pub(crate) fn assert_none_in(place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let found = handed_out
        .iter()
        .find(|secret| text.contains(secret.as_str()));
    // A second panic would abort the process and hide the first.
    if let Some(secret) = found.filter(|_| !std::thread::panicking()) {
        panic!("{place} shows the secret {secret}: {text}");
    }
}

/// Fails the test if a file below `folder` contains a secret.
#[track_caller]
pub(crate) fn assert_none_below(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            assert_none_below(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            assert_none_in(&path.display().to_string(), &bytes);
        }
    }
}

mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::super::process::{Finish as _, Process};
    use super::{assert_none_in, hand_out};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .env("SPILT_SECRET", "whsec_c3BpbHQtYnktYS10ZXN0LW9ubHk=");
        command
    }

    #[test]
    #[should_panic(expected = "shows the secret")]
    fn a_command_that_prints_a_secret_fails_its_test() {
        shell("echo \"the secret is $SPILT_SECRET\" >&2").finish();
    }

    #[test]
    #[should_panic(expected = "shows a secret")]
    fn a_process_that_logs_a_secret_fails_its_test() {
        let mut command = shell("echo listening on here; echo $SPILT_SECRET >&2; exec sleep 20");
        let process = Process::serving(command.stdin(Stdio::null()));
        std::thread::sleep(Duration::from_millis(500));
        drop(process);
    }

    #[test]
    #[should_panic(expected = "shows the secret")]
    fn the_password_of_a_login_is_found_alone() {
        hand_out("svc_test:spilt-password-of-a-test");
        assert_none_in("a note", b"with spilt-password-of-a-test in it");
    }

    #[test]
    fn a_text_without_a_secret_passes() {
        hand_out("spilt-in-another-test-only");
        assert_none_in("a note", b"nothing to see");
    }
}
