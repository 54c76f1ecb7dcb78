//! The address of a product's API. Takes settings; returns the address, and the host exactly as it
//! is sent and signed. Opens no connection.

use super::client::Url;
use super::error::shown;
use crate::domain::{Problem, Site, is_loopback};

/// The address of one product's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Scheme, host and port, with the path `/`.
    pub url: Url,
    /// The `Host` header: lower-case, with the port unless it is the scheme's default.
    pub host: String,
}

impl Endpoint {
    /// Returns the address in `endpoint`, the value of the setting `cloud.endpoint`, if it is set.
    /// Otherwise returns the address of the site's host for `product`, a short name such as `cvm`.
    ///
    /// # Errors
    /// `cloud.endpoint` lacks a scheme or a host, contains more than a scheme, a host and a port,
    /// has a scheme other than `https` and `http`, or is plain `http` to a host other than
    /// loopback: signed requests carry tokens, which anyone on the network could read.
    pub(crate) fn of(endpoint: Option<&str>, site: Site, product: &str) -> Result<Self, Problem> {
        let text = match endpoint {
            Some(text) => text.to_owned(),
            None => format!("https://{}", host_of(site, product)),
        };
        let wrong = |problem: &str, remedy: &str| {
            Problem::new(
                "cloud.endpoint",
                format!("{} {problem}", shown(&text)),
                remedy,
            )
        };
        const EXAMPLE: &str =
            "write scheme, host and port, as in \"https://proxy.example.com:8443\"";
        const NO_SCHEME: &str = "does not begin with https:// or http://";
        // `Url` takes what is before the colon of `localhost:8080` for a scheme.
        let lacks = |problem| match text.contains("://") {
            true => wrong(problem, EXAMPLE),
            false => wrong(NO_SCHEME, EXAMPLE),
        };
        let url = Url::parse(&text).map_err(|_| lacks("is not an address"))?;
        let host = url.host_str().ok_or_else(|| lacks("has no host"))?;
        let host = host.to_owned();
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("has more than scheme, host and port", EXAMPLE));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&host) => {}
            "http" => {
                return Err(wrong(
                    "is plain http to a host other than loopback",
                    "use https",
                ));
            }
            _ => return Err(wrong(NO_SCHEME, EXAMPLE)),
        }
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        };
        Ok(Self { url, host })
    }
}

fn host_of(site: Site, product: &str) -> String {
    match site {
        Site::Intl => format!("{product}.intl.tencentcloudapi.com"),
        Site::Cn => format!("{product}.tencentcloudapi.com"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(endpoint: Option<&str>) -> Result<Endpoint, Problem> {
        Endpoint::of(endpoint, Site::Intl, "cvm")
    }

    #[test]
    fn hosts_follow_site_and_product() {
        for (site, product, host) in [
            (
                Site::Intl,
                "lighthouse",
                "lighthouse.intl.tencentcloudapi.com",
            ),
            (Site::Intl, "cvm", "cvm.intl.tencentcloudapi.com"),
            (Site::Cn, "lighthouse", "lighthouse.tencentcloudapi.com"),
            (Site::Cn, "cvm", "cvm.tencentcloudapi.com"),
        ] {
            assert_eq!(host_of(site, product), host);
        }
    }

    #[test]
    fn the_host_is_what_is_sent() {
        for (text, host) in [
            (None, "cvm.intl.tencentcloudapi.com"),
            (Some("http://127.0.0.1:18300"), "127.0.0.1:18300"),
            (Some("http://127.9.9.9"), "127.9.9.9"),
            (Some("http://[::1]:80/"), "[::1]"),
            (Some("http://localhost:1"), "localhost:1"),
            (
                Some("https://CVM.Ap-Singapore.TencentCloudAPI.com"),
                "cvm.ap-singapore.tencentcloudapi.com",
            ),
            (Some("https://proxy.example.com:443"), "proxy.example.com"),
            (
                Some("https://proxy.example.com:8443"),
                "proxy.example.com:8443",
            ),
        ] {
            assert_eq!(of(text).unwrap().host, host, "{text:?}");
        }
    }

    #[test]
    fn an_address_without_a_scheme_is_refused_as_such() {
        for text in ["localhost:8080", "cvm.tencentcloudapi.com", "10.0.0.1:80"] {
            let problem = of(Some(text)).unwrap_err();
            let says = format!("{text:?} does not begin with https:// or http://");
            assert_eq!(problem.problem, says);
            assert!(problem.remedy.contains("https://proxy"), "{problem}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "cvm.tencentcloudapi.com",
            "http://cvm.tencentcloudapi.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com:80",
            "http://10.0.0.1:80",
            "http://[::2]",
            "ftp://127.0.0.1",
            "https://user:pass@example.com",
            "https://example.com/path",
            "https://example.com/?q",
            "https://example.com/#f",
            "https://",
            "file:///etc/passwd",
        ] {
            assert_eq!(
                of(Some(text)).unwrap_err().field,
                "cloud.endpoint",
                "{text}"
            );
        }
    }
}
