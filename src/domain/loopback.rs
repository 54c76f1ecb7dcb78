//! Recognises loopback addresses. Several settings allow plain `http` only for such addresses.

use std::net::IpAddr;

pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
