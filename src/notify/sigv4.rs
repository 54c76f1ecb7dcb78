//! AWS Signature Version 4, for Step Functions. Takes credentials, an instant and a request;
//! returns the request's headers.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::tz::TimeZone;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::domain::Timestamp;

/// The AWS credentials of the process, and the region in which they sign.
#[derive(Debug, Clone)]
pub struct AwsKey {
    /// The value of `AWS_ACCESS_KEY_ID`.
    pub id: String,
    /// The value of `AWS_SECRET_ACCESS_KEY`.
    pub secret: SecretString,
    /// The value of `AWS_SESSION_TOKEN`, which only temporary credentials have.
    pub token: Option<SecretString>,
    /// The region, such as `us-east-1`.
    pub region: String,
}

impl AwsKey {
    /// Signs a request to `service` with all of `headers`, and adds the headers that AWS requires.
    pub fn sign(
        &self,
        service: &str,
        method: &str,
        url: &Url,
        headers: &mut Vec<(String, String)>,
        body: &[u8],
        now: Timestamp,
    ) {
        let now = now.to_zoned(TimeZone::UTC);
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = now.strftime("%Y%m%d").to_string();
        headers.push(("x-amz-date".to_owned(), time.clone()));
        if let Some(token) = &self.token {
            let token = token.expose_secret().to_owned();
            headers.push(("x-amz-security-token".to_owned(), token));
        }
        let mut signed: Vec<(&str, String)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.trim().to_owned()))
            .collect();
        signed.push(("host", host(url)));
        signed.sort();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = signed
            .iter()
            .map(|(n, value)| format!("{n}:{value}\n"))
            .collect();
        let (path, query) = (url.path(), url.query().unwrap_or_default());
        let payload = hex::encode(Sha256::digest(body));
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        let scope = format!("{day}/{}/{service}/aws4_request", self.region);
        let digest = hex::encode(Sha256::digest(canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let secret = format!("AWS4{}", self.secret.expose_secret());
        let key = [&day, &self.region, service, "aws4_request"]
            .into_iter()
            .fold(secret.into_bytes(), |key, part| mac(&key, part));
        let signature = hex::encode(mac(&key, &to_sign));
        let id = &self.id;
        headers.push((
            "authorization".to_owned(),
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"),
        ));
    }
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

pub(super) fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // A MAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's own documentation.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let key = AwsKey {
            id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            token: None,
            region: "us-east-1".to_owned(),
        };
        let url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
        let url = Url::parse(url).unwrap();
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        key.sign("iam", "GET", &url, &mut headers, b"", now);
        assert_eq!(
            headers.last().unwrap().1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }
}
