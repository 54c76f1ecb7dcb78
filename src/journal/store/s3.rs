//! S3 as the journal's store. Takes a bucket and the process's `AWS_…` variables. Its create-only
//! write is `If-None-Match: *`.

use object_store::RetryConfig;
use object_store::aws::{
    AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key, Checksum, S3ConditionalPut,
};
use secrecy::SecretString;

use super::remote::{CallersClient, Service, parsed};

/// The builder of an S3 client.
pub(super) struct S3(AmazonS3Builder);

impl Service for S3 {
    type Key = Key;
    type Store = AmazonS3;

    fn new(bucket: &str) -> Self {
        let builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // A bucket with Object Lock refuses a write without a checksum.
            .with_checksum_algorithm(Checksum::SHA256);
        Self(builder)
    }

    fn key(variable: &str) -> Option<Key> {
        parsed(variable, "AWS_").filter(|key| {
            matches!(
                key,
                Key::AccessKeyId
                    | Key::SecretAccessKey
                    | Key::Token
                    | Key::Region
                    | Key::DefaultRegion
                    | Key::Endpoint
                    | Key::S3Endpoint
                    | Key::StsEndpoint
                    | Key::VirtualHostedStyleRequest
                    | Key::ContainerCredentialsRelativeUri
                    | Key::ContainerCredentialsFullUri
                    | Key::ContainerAuthorizationTokenFile
                    | Key::WebIdentityTokenFile
                    | Key::RoleArn
                    | Key::RoleSessionName
                    | Key::MetadataEndpoint
                    | Key::Encryption(_)
            )
        })
    }

    fn is_endpoint(key: &Key) -> bool {
        matches!(key, Key::Endpoint | Key::S3Endpoint | Key::StsEndpoint)
    }

    fn secrets(key: &Key, value: &SecretString, secrets: &mut Vec<SecretString>) {
        if matches!(
            key,
            Key::AccessKeyId | Key::SecretAccessKey | Key::Token | Key::Encryption(_)
        ) {
            secrets.push(value.clone());
        }
    }

    fn set(self, key: Key, value: &str) -> Self {
        Self(self.0.with_config(key, value))
    }

    fn build(
        self,
        plain_http: bool,
        retries: RetryConfig,
        http: CallersClient,
    ) -> object_store::Result<AmazonS3> {
        self.0
            .with_allow_http(plain_http)
            .with_retry(retries)
            .with_http_connector(http)
            .build()
    }
}

#[cfg(test)]
mod tests;
