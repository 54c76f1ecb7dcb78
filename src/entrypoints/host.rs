//! Which host are we on? One table from the environment's marks to a host.

use crate::config::Vars;

/// Where the program runs when no command is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// AWS Lambda, or anything that speaks its runtime API.
    Lambda,
    /// An HTTP host that names our port.
    Http {
        /// The port to listen on, on every address.
        port: u16,
    },
}

/// The variables that name the port, the most specific first.
const PORT_VARS: [&str; 1] = ["PORT"];

/// The host, by its marks; `Ok(None)` on a machine that is none.
///
/// # Errors
/// A port variable that is no port.
pub(crate) fn detect(vars: &Vars) -> Result<Option<Host>, String> {
    if vars.get("AWS_LAMBDA_RUNTIME_API").is_some_and(|v| !v.is_empty()) {
        return Ok(Some(Host::Lambda));
    }
    for name in PORT_VARS {
        if let Some(value) = vars.get(name) {
            let port = value
                .parse()
                .map_err(|_| format!("{name} is {value:?}, which is not a port; set it to 1 to 65535"))?;
            return Ok(Some(Host::Http { port }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_decide() {
        let vars = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vars>()
        };
        assert_eq!(detect(&vars(&[])), Ok(None));
        assert_eq!(detect(&vars(&[("PORT", "8080")])), Ok(Some(Host::Http { port: 8080 })));
        assert_eq!(
            detect(&vars(&[("PORT", "8080"), ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")])),
            Ok(Some(Host::Lambda))
        );
        assert!(detect(&vars(&[("PORT", "http")])).unwrap_err().contains("PORT"));
    }
}
