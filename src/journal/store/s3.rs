//! Stores the journal in S3. Takes a bucket and the process's `AWS_…` variables. A write that must
//! not replace an existing file has the header `If-None-Match: *`.

use object_store::aws::{
    AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key, Checksum, S3ConditionalPut,
};

use super::remote::{Service, Setting, set_and_build};

impl Service for AmazonS3Builder {
    type Key = Key;
    type Store = AmazonS3;
    const PREFIX: &str = "AWS_";

    fn of_bucket(bucket: &str) -> Self {
        Self::new()
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // A bucket with Object Lock refuses a write without a checksum.
            .with_checksum_algorithm(Checksum::SHA256)
    }

    fn kind(key: &Key) -> Option<Setting> {
        Some(match key {
            Key::Endpoint | Key::S3Endpoint | Key::StsEndpoint => Setting::Endpoint,
            Key::AccessKeyId | Key::SecretAccessKey | Key::Token | Key::Encryption(_) => {
                Setting::Secret
            }
            Key::Region
            | Key::DefaultRegion
            | Key::VirtualHostedStyleRequest
            | Key::ContainerCredentialsRelativeUri
            | Key::ContainerCredentialsFullUri
            | Key::ContainerAuthorizationTokenFile
            | Key::WebIdentityTokenFile
            | Key::RoleArn
            | Key::RoleSessionName
            | Key::MetadataEndpoint => Setting::Plain,
            _ => return None,
        })
    }

    set_and_build!();
}
