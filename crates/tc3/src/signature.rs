//! Step 3 of TC3: derives the key for a day and a service, and signs the string to sign with it.
//! The signature is hex. Wipes its copies of the secret key.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::string_to_sign::{CredentialScope, TERMINATION};

type Digest32 = [u8; 32];

/// Returns the key that signs for one day and service (`SecretSigning` in the documentation).
pub fn signing_key(secret_key: &str, scope: &CredentialScope) -> Zeroizing<[u8; 32]> {
    let start = Zeroizing::new(format!("TC3{secret_key}"));
    let date = Zeroizing::new(hmac(start.as_bytes(), scope.date.as_bytes()));
    let service = Zeroizing::new(hmac(date.as_slice(), scope.service.as_bytes()));
    Zeroizing::new(hmac(service.as_slice(), TERMINATION.as_bytes()))
}

/// Returns the signature of `string_to_sign` in lower-case hex.
pub fn signature(secret_key: &str, scope: &CredentialScope, string_to_sign: &str) -> String {
    hex::encode(hmac(
        signing_key(secret_key, scope).as_slice(),
        string_to_sign.as_bytes(),
    ))
}

/// Computes HMAC-SHA256. As in RFC 2104, section 2, a key longer than the block is hashed, and a
/// shorter key is padded with zeros. The constructor for keys of the block's length cannot fail.
fn hmac(key: &[u8], message: &[u8]) -> Digest32 {
    let mut block = Zeroizing::new([0_u8; 64]);
    let hashed: Digest32 = Sha256::digest(key).into();
    let key = if key.len() > block.len() {
        hashed.as_slice()
    } else {
        key
    };
    for (place, byte) in block.iter_mut().zip(key) {
        *place = *byte;
    }
    let mut mac = Hmac::<Sha256>::new(&(*block).into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 1, 2 and 6 (a key longer than the block).
    #[test]
    fn the_mac_is_hmac_sha256() {
        let long = [0xaa_u8; 131];
        let short = [0x0b_u8; 20];
        let cases: [(&[u8], &[u8], &str); 3] = [
            (
                &short,
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &long,
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, expected) in cases {
            assert_eq!(hex::encode(hmac(key, message)), expected);
        }
    }

    /// The documentation's worked example: <https://cloud.tencent.com/document/api/213/30654>.
    #[test]
    fn the_signing_key_is_the_documentation_s() {
        let scope = CredentialScope {
            date: "2019-02-25".into(),
            service: "cvm".into(),
        };
        let key = signing_key(&"*".repeat(32), &scope);
        assert_eq!(
            hex::encode(key.as_slice()),
            "b596b923aad85185e2d1f6659d2a062e0a86731226e021e61bfe06f7ed05f5af"
        );
    }
}
