//! The environment variables of the process as a value: `main` reads them, and all other code gets
//! this map. Also tells by them whether the host keeps the disk.

use std::collections::BTreeMap;

/// The entry with the address of the stand-in cloud. No environment variable can have this name: only
/// the option `--sandbox` sets it.
pub const SANDBOX_ENTRY: &str = "--sandbox=";

/// The environment variables of the process, by name.
pub type Vars = BTreeMap<String, String>;

/// Variables of hosts that discard the disk of each instance of the program, and the host's name.
const DISCARDING_HOSTS: [(&str, &str); 8] = [
    ("AWS_LAMBDA_RUNTIME_API", "AWS Lambda"),
    ("SCF_RUNTIME_API", "Tencent SCF"),
    ("SCF_FUNCTIONNAME", "Tencent SCF"),
    ("FUNCTIONS_CUSTOMHANDLER_PORT", "Azure Functions"),
    ("FC_FUNCTION_NAME", "Function Compute"),
    ("FC_SERVER_PORT", "Function Compute"),
    // <https://cloud.google.com/run/docs/container-contract>; Knative sets it, too.
    ("K_SERVICE", "Cloud Run or Knative"),
    ("CLOUD_RUN_JOB", "Cloud Run"),
];

/// Returns the name of the host if it discards the disk of each instance. A network disk that is
/// mounted there stays, which the variables do not tell.
pub fn lost_disk(vars: &Vars) -> Option<&'static str> {
    let is_set = |name: &str| vars.get(name).is_some_and(|value| !value.is_empty());
    let mut hosts = DISCARDING_HOSTS.iter();
    let found = hosts.find(|(name, _)| is_set(name));
    found.map(|(_, host)| *host)
}
