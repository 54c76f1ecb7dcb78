//! Detects from the environment variables which host runs the program.

use std::net::{Ipv4Addr, SocketAddr};

use crate::config::Vars;
use crate::domain::Problem;

/// The host of a program that was started without a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// AWS Lambda, or an emulator of its runtime API.
    Lambda,
    /// Tencent SCF's custom runtime.
    Scf,
    /// A host that sends HTTP requests. The program listens on this address.
    Http(SocketAddr, HttpHost),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpHost {
    /// None of the hosts below: Cloud Run, Knative, OpenFaaS, or a container.
    Plain,
    /// Azure Functions' custom handler.
    Azure,
    /// Alibaba Function Compute's custom runtime.
    FunctionCompute,
    /// Tencent SCF's web function.
    ScfWeb,
}

/// The variables that name the port, each with the address to listen on and the host that it
/// implies. The first variable that is set counts. Azure's host connects through loopback, the
/// other hosts through the network.
const PORT_VARS: [(&str, Ipv4Addr, HttpHost); 3] = [
    (
        "FUNCTIONS_CUSTOMHANDLER_PORT",
        Ipv4Addr::LOCALHOST,
        HttpHost::Azure,
    ),
    ("PORT", Ipv4Addr::UNSPECIFIED, HttpHost::Plain),
    (
        "FC_SERVER_PORT",
        Ipv4Addr::UNSPECIFIED,
        HttpHost::FunctionCompute,
    ),
];

/// Variables that identify a host that may set no port variable, or only `PORT`. Without a port
/// variable, the host sends its requests to port 9000.
const VARS_WITHOUT_PORT: [(&str, HttpHost); 2] = [
    ("FC_FUNCTION_NAME", HttpHost::FunctionCompute),
    ("SCF_FUNCTIONNAME", HttpHost::ScfWeb),
];
const UNNAMED_PORT: u16 = 9000;

/// Detects the host by its variables. Returns `None` if no variable of a host is set.
///
/// # Errors
/// Fails if the value of a port variable is not a port. On Lambda, fails if a variable that
/// `check_lambda` requires is missing or is not a number.
pub(crate) fn detect(vars: &Vars) -> Result<Option<Host>, Problem> {
    let is_set = |name: &str| vars.get(name).is_some_and(|v| !v.is_empty());
    if is_set("AWS_LAMBDA_RUNTIME_API") {
        return check_lambda(vars).map(|()| Some(Host::Lambda));
    }
    if is_set("SCF_RUNTIME_API") {
        return Ok(Some(Host::Scf));
    }
    let marked = VARS_WITHOUT_PORT.iter().find(|(mark, _)| is_set(mark));
    let marked = marked.map(|(_, host)| *host);
    for (name, address, host) in PORT_VARS {
        if let Some(value) = vars.get(name) {
            let wrong = || {
                let problem = format!("{value:?} is not a port");
                Problem::new(name, problem, "write 1 to 65535, or unset it")
            };
            let port = value.parse().ok().filter(|port| *port != 0);
            let port: u16 = port.ok_or_else(wrong)?;
            // Many hosts set `PORT`, so a variable that identifies the host takes precedence.
            let host = match host {
                HttpHost::Plain => marked.unwrap_or(HttpHost::Plain),
                named => named,
            };
            return Ok(Some(Host::Http((address, port).into(), host)));
        }
    }
    let address = (Ipv4Addr::UNSPECIFIED, UNNAMED_PORT);
    Ok(marked.map(|host| Host::Http(address.into(), host)))
}

/// Whether the host may freeze the process after each answer and resume it much later, as hosts of
/// functions do. On such a host, no work may be in progress after an answer. The command does not
/// matter, because `serve` may run on such a host too.
pub(crate) fn may_freeze(vars: &Vars) -> bool {
    match detect(vars) {
        Ok(Some(Host::Lambda | Host::Scf)) => true,
        Ok(Some(Host::Http(_, host))) => host != HttpHost::Plain,
        Ok(None) | Err(_) => false,
    }
}

/// Checks the variables without which `lambda_runtime` panics.
fn check_lambda(vars: &Vars) -> Result<(), Problem> {
    let wrong = |name: &str, problem: &str| {
        let remedy = "set it as Lambda does, or unset AWS_LAMBDA_RUNTIME_API";
        Err(Problem::new(name, problem, remedy))
    };
    for name in ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"] {
        if !vars.contains_key(name) {
            return wrong(name, "is not set");
        }
    }
    let name = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
    match vars.get(name).map(|text| text.parse::<i32>()) {
        Some(Ok(_)) => Ok(()),
        Some(Err(_)) => wrong(name, "is not a number"),
        None => wrong(name, "is not set"),
    }
}

/// Whether the host adds the credentials of the function's role to the headers of every request.
/// Only SCF does, when it forwards HTTP requests unchanged. On every other host the sender controls
/// all headers. The check relies on variables whose prefixes SCF users cannot set.
pub(crate) fn brings_credentials(vars: &Vars) -> bool {
    let web = matches!(detect(vars), Ok(Some(Host::Http(_, HttpHost::ScfWeb))));
    web && vars
        .get("TENCENTCLOUD_RUNENV")
        .is_some_and(|environment| environment == "SCF")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::lost_disk;

    #[test]
    fn only_scf_as_an_http_host_brings_credentials() {
        let scf = [("SCF_FUNCTIONNAME", "f"), ("TENCENTCLOUD_RUNENV", "SCF")];
        let brings = |more: &[(&str, &str)], marks: &[(&str, &str)]| {
            brings_credentials(&vars(&[marks, more].concat()))
        };
        assert!(brings(&[], &scf) && brings(&[("PORT", "9000")], &scf));
        for more in [
            ("SCF_RUNTIME_API", "127.0.0.1"),
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
            ("FC_FUNCTION_NAME", "f"),
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"),
            ("FC_SERVER_PORT", "9001"),
        ] {
            assert!(!brings(&[more], &scf), "{more:?}");
        }
        for marks in [&scf[..1], &scf[1..], &[]] {
            assert!(!brings(&[("PORT", "9000")], marks), "{marks:?}");
        }
    }

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        let pairs = pairs.iter();
        pairs
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn on(pairs: &[(&str, &str)]) -> Result<Option<Host>, Problem> {
        detect(&vars(pairs))
    }

    #[test]
    fn only_hosts_of_functions_may_freeze() {
        let lambda = [
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ];
        for marks in [
            &lambda[..],
            &[("SCF_RUNTIME_API", "127.0.0.1")],
            &[("FUNCTIONS_CUSTOMHANDLER_PORT", "7071")],
            &[("FC_FUNCTION_NAME", "f")],
            &[("SCF_FUNCTIONNAME", "f")],
        ] {
            assert!(may_freeze(&vars(marks)), "{marks:?}");
            assert!(lost_disk(&vars(marks)).is_some(), "{marks:?}");
            let with_port = [marks, &[("PORT", "9000")]].concat();
            assert!(may_freeze(&vars(&with_port)), "{marks:?}");
        }
        let port_only = vars(&[("FC_SERVER_PORT", "9001")]);
        assert!(may_freeze(&port_only) && lost_disk(&port_only).is_some());
        for pairs in [&[][..], &[("PORT", "80")], &[("PORT", "")]] {
            assert!(!may_freeze(&vars(pairs)), "{pairs:?}");
            assert_eq!(lost_disk(&vars(pairs)), None, "{pairs:?}");
        }
    }

    #[test]
    fn the_marks_decide() {
        let at = |text: &str, host| Ok(Some(Host::Http(text.parse().unwrap(), host)));
        assert_eq!(on(&[]), Ok(None));
        assert_eq!(on(&[("PORT", "8080")]), at("0.0.0.0:8080", HttpHost::Plain));
        assert_eq!(
            on(&[("PORT", "80"), ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071")]),
            at("127.0.0.1:7071", HttpHost::Azure)
        );
        assert_eq!(
            on(&[("FC_SERVER_PORT", "9001")]),
            at("0.0.0.0:9001", HttpHost::FunctionCompute)
        );
        assert_eq!(
            on(&[("FC_FUNCTION_NAME", "f")]),
            at("0.0.0.0:9000", HttpHost::FunctionCompute)
        );
        assert_eq!(
            on(&[("FC_FUNCTION_NAME", "f"), ("PORT", "8000")]),
            at("0.0.0.0:8000", HttpHost::FunctionCompute)
        );
        let runtime = [("SCF_FUNCTIONNAME", "f"), ("SCF_RUNTIME_API", "127.0.0.1")];
        assert_eq!(on(&runtime), Ok(Some(Host::Scf)));
        assert_eq!(
            on(&[("SCF_FUNCTIONNAME", "f")]),
            at("0.0.0.0:9000", HttpHost::ScfWeb)
        );
        assert_eq!(
            on(&[("SCF_FUNCTIONNAME", "f"), ("PORT", "80")]),
            at("0.0.0.0:80", HttpHost::ScfWeb)
        );
    }

    #[test]
    fn lambda_needs_the_variables_without_which_its_runtime_panics() {
        let of_function = [
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ];
        let api = [("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"), ("PORT", "80")];
        let with = |function: &[(&'static str, &'static str)]| on(&[&api[..], function].concat());
        assert_eq!(with(&of_function), Ok(Some(Host::Lambda)));
        for missing in 0..of_function.len() {
            let mut others = of_function.to_vec();
            let (name, _) = others.remove(missing);
            assert_eq!(with(&others).unwrap_err().field, name);
        }
        let mut wrong = of_function;
        wrong[2].1 = "much";
        let problem = with(&wrong).unwrap_err().to_string();
        assert!(
            problem.contains("MEMORY_SIZE: is not a number"),
            "{problem}"
        );
    }

    #[test]
    fn a_variable_that_is_not_a_port_is_an_error() {
        for value in ["http", "", "0", "65536", "-1"] {
            assert!(
                on(&[("PORT", value)])
                    .unwrap_err()
                    .to_string()
                    .contains("PORT"),
                "{value}"
            );
        }
    }
}
