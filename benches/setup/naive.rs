//! A simple script for comparison. It makes one call per ticket, one after the other, with
//! sharehook's signer and connection, but without pacing, batching, policy or journal. One second
//! after a failed call it repeats the call, as the SDKs' examples do.

use std::time::Duration;

use sharehook::clock::system_now;
use sharehook::cloud::{Cloud, CloudSettings, CredentialChain, Deadline};
use sharehook::domain::{AccountId, Action};

use super::setup::{REGION, Setup, vars};

/// Shares each `(image, account)` with a call of its own, as fast as possible. Returns how many
/// were shared.
pub(crate) async fn share(setup: &Setup, tickets: &[(String, String)]) -> usize {
    let settings = CloudSettings {
        endpoint: Some(setup.cloud.url()),
        lighthouse_per_second: 1000.0,
        ..CloudSettings::new(system_now)
    };
    let cloud = Cloud::new(settings, CredentialChain::from_disk(&vars(), None)).expect("a client");
    let region = REGION.parse().expect("a region");
    let mut done = 0;
    for (image, account) in tickets {
        let (image, account) = (
            image.parse().expect("an image"),
            account.parse::<AccountId>().expect("an account"),
        );
        for _ in 0..50 {
            let accounts = || vec![account.clone()];
            match cloud
                .at(&region, Deadline::NEVER)
                .change_shares(&image, Action::Share, accounts)
                .await
            {
                Ok(_) => {
                    done += 1;
                    break;
                }
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }
    done
}
