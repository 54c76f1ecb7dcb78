//! The address of a notification target, or of the API from which tickets are fetched. Takes the
//! configured text and a path; returns a URL whose scheme, host and base path come only from the
//! configuration.

use reqwest::Url;

use crate::domain::{Problem, is_loopback};

/// A configured address: scheme, host, port and base path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// The text is not an http or https address with a host, is plain http to a host other than
    /// loopback, or has a login, a query or a fragment.
    pub fn read(text: &str) -> Result<Self, Problem> {
        const EXAMPLE: &str = "write it as in \"https://acme.atlassian.net\"";
        let wrong = |problem: &str, remedy: &str| Problem::new("url", problem, remedy);
        const NO_SCHEME: &str = "does not begin with https:// or http://";
        // `Url` takes what is before the colon of `localhost:8080` for a scheme.
        let lacks = |problem| match text.contains("://") {
            true => wrong(problem, EXAMPLE),
            false => wrong(NO_SCHEME, EXAMPLE),
        };
        let url = Url::parse(text).map_err(|_| lacks("is not an address"))?;
        let host = url.host_str().ok_or_else(|| lacks("has no host"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("contains a login", "write the login as auth"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has more than scheme, host and path", EXAMPLE));
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(host) => Ok(Self(url)),
            "http" => Err(wrong(
                "is plain http to a host other than loopback",
                "use https",
            )),
            _ => Err(wrong(NO_SCHEME, EXAMPLE)),
        }
    }

    /// Returns this address followed by `path`, which may have a query.
    pub fn join(&self, path: &str) -> Result<Url, PathError> {
        if path.is_empty() {
            return Ok(self.0.clone());
        }
        let plain = |c: char| c.is_ascii_graphic() && c != '\\' && c != '#';
        if !path.starts_with('/') || path.starts_with("//") || !path.chars().all(plain) {
            return Err(PathError);
        }
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let dots = |segment: &str| {
            let bare = segment.to_ascii_lowercase().replace("%2e", ".");
            bare == "." || bare == ".."
        };
        if path.split('/').any(dots) {
            return Err(PathError);
        }
        let mut url = self.0.clone();
        let base = self.0.path().trim_end_matches('/');
        url.set_path(&format!("{base}{path}"));
        url.set_query(query);
        Ok(url)
    }

    /// Whether the address has more than scheme, host and port.
    pub fn has_path(&self) -> bool {
        self.0.path() != "/"
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        self.0.host_str().is_some_and(is_loopback)
    }

    /// Whether `url` has this address's scheme, host and port.
    pub fn same_origin(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }
}

/// The error for a path that could leave the configured address, or that has a character which must
/// be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the message's path must begin with / and stay below the configured url; encode each part with @uri"
)]
pub struct PathError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_and_the_base_path_stay() {
        let address = Address::read("https://acme.example/jira/").unwrap();
        for (path, url) in [
            ("", "https://acme.example/jira/"),
            ("/rest/x?y=1", "https://acme.example/jira/rest/x?y=1"),
            ("/a%2Fb/c", "https://acme.example/jira/a%2Fb/c"),
            (
                "/@evil.example/x",
                "https://acme.example/jira/@evil.example/x",
            ),
        ] {
            assert_eq!(address.join(path).unwrap().as_str(), url);
        }
        for bad in [
            "rest",
            "//evil.example/x",
            "/../admin",
            "/a/%2e%2E/b",
            "/a\\b",
            "/a#b",
            "/a b",
            "/ä",
            "https://evil.example/",
            "/a\r\nx: y",
            "/./a",
        ] {
            assert_eq!(address.join(bad), Err(PathError), "{bad}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for good in [
            "http://127.0.0.1:1",
            "http://localhost/x",
            "https://a.example:8443/b",
        ] {
            assert!(Address::read(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "acme.example",
            "http://acme.example",
            "https://u:p@acme.example",
            "ftp://127.0.0.1",
            "https://acme.example/?q=1",
            "https://acme.example/#f",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(Address::read(bad).is_err(), "{bad}");
        }
    }
}
