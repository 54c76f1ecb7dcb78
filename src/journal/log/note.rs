//! Signed notes as described by <https://c2sp.org/signed-note>: a text, followed by lines with
//! Ed25519 signatures of the text. Reads keys from text, and signs and verifies notes. Errors never
//! contain a private key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::domain::Problem;

/// The type byte of an Ed25519 key in a note.
const ED25519_TYPE: u8 = 1;
/// Maximum length of a note, in bytes.
const MAX_NOTE_BYTES: usize = 64 * 1024;

/// A public key and its name. As text, it is `name+hash+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    hash: [u8; 4],
    key: [u8; 32],
}

/// The reason not to trust a note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteFlaw {
    /// The text is not a signed note, or is not the expected checkpoint.
    #[error("{0}")]
    Malformed(&'static str),
    /// The key has not signed the note, or is not one of the journal's keys.
    #[error("it is not signed by {0}")]
    Unsigned(String),
    /// The key's signature does not match the text.
    #[error("the signature of {0} does not match the text")]
    Forged(String),
}

impl VerifierKey {
    fn new(name: &str, key: [u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(name);
        hash.update([b'\n', ED25519_TYPE]);
        hash.update(key);
        Self {
            name: name.to_owned(),
            hash: hash.finalize().first_chunk().copied().unwrap_or_default(),
            key,
        }
    }

    /// The key's name. Each signature line contains the name of its key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Verifies that this key has signed a note, and returns the text of the note. Ignores the
    /// signatures of other keys.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteFlaw> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteFlaw::Malformed("it is too long"));
        }
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteFlaw::Malformed(
            "the empty line before the signatures is missing",
        ))?;
        let signed = note
            .get(..=text.len())
            .ok_or(NoteFlaw::Malformed("the text is missing"))?;
        let lines = signatures
            .strip_suffix('\n')
            .ok_or(NoteFlaw::Malformed("the line feed at its end is missing"))?;
        for line in lines.split('\n') {
            let (name, hash, signature) = signature(line)?;
            if name == self.name && hash == self.hash {
                let forged = |_| NoteFlaw::Forged(self.name.clone());
                let key = UnparsedPublicKey::new(&ED25519, self.key);
                return key
                    .verify(signed.as_bytes(), &signature)
                    .map_err(forged)
                    .map(|()| signed);
            }
        }
        Err(NoteFlaw::Unsigned(self.to_string()))
    }
}

/// Parses a signature line. Returns the name and the hash of the key, and the signature.
fn signature(line: &str) -> Result<(&str, [u8; 4], Vec<u8>), NoteFlaw> {
    let rest = line.strip_prefix("— ").ok_or(NoteFlaw::Malformed(
        "a line below the text is not a signature",
    ))?;
    let (name, blob) = rest
        .split_once(' ')
        .ok_or(NoteFlaw::Malformed("a signature has no name"))?;
    let blob = STANDARD
        .decode(blob)
        .map_err(|_| NoteFlaw::Malformed("a signature is not base64"))?;
    let Some((hash, signature)) = blob.split_first_chunk::<4>() else {
        return Err(NoteFlaw::Malformed("a signature has no key hash"));
    };
    Ok((name, *hash, signature.to_vec()))
}

/// Returns the key that the first signature line of a note names, as `name+hash`. Does not verify
/// the signature.
pub fn claimed_signer(note: &str) -> Option<String> {
    let (_, lines) = note.rsplit_once("\n\n")?;
    let (name, hash, _) = signature(lines.lines().next()?).ok()?;
    check_name(name).ok()?;
    Some(format!("{name}+{}", hex::encode(hash)))
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed: Vec<u8> = [ED25519_TYPE].into_iter().chain(self.key).collect();
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex::encode(self.hash),
            STANDARD.encode(typed)
        )
    }
}

impl FromStr for VerifierKey {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let wrong = |why: &str| {
            Problem::new(
                "key",
                why,
                "write the line that `sharehook audit key` prints: name+hash+key",
            )
        };
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("is not of the form name+hash+key"));
        };
        check_name(name)?;
        let bytes = STANDARD
            .decode(key)
            .map_err(|_| wrong("is not base64 after the second +"))?;
        let key = match bytes.split_first() {
            Some((&ED25519_TYPE, key)) => <[u8; 32]>::try_from(key).ok(),
            _ => None,
        };
        let made = Self::new(name, key.ok_or_else(|| wrong("is not an Ed25519 key"))?);
        if hex::encode(made.hash) != hash {
            return Err(wrong(
                "has a hash that does not match name and key: it was copied wrongly",
            ));
        }
        Ok(made)
    }
}

/// Refuses a key name that cannot be written in a signature line.
fn check_name(name: &str) -> Result<(), Problem> {
    let good = (1..=100).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    if good {
        return Ok(());
    }
    Err(Problem::new(
        "name",
        "is not a valid name for a seal",
        "use letters, digits, - _ . / and 100 characters at most",
    ))
}

/// A private key and its name.
pub struct NoteSigner {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

/// The bytes that precede the seed in the PKCS #8 file of an Ed25519 key (RFC 8410).
const PKCS8_BEFORE_SEED: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

impl NoteSigner {
    /// Reads a private key. It can be a PKCS #8 file as PEM or base64, or a seed of 32 bytes in
    /// base64.
    ///
    /// # Errors
    /// Fails if the name or the key is not valid. The error does not contain the key.
    pub fn read(name: &str, key: &SecretString) -> Result<Self, Problem> {
        check_name(name)?;
        let wrong = |why: &str| {
            let remedy = "give an Ed25519 key as PKCS #8 (PEM or base64) or its seed of 32 bytes in base64, as \
                          `openssl genpkey -algorithm ed25519` makes one";
            Problem::new("seal.key", why, remedy)
        };
        let body: String = key
            .expose_secret()
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .map(str::trim)
            .collect();
        let bytes = STANDARD
            .decode(body)
            .map_err(|_| wrong("is neither PEM nor base64"))?;
        let pair = match bytes.len() {
            32 => Ed25519KeyPair::from_seed_unchecked(&bytes),
            _ => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes),
        };
        let pair = pair.map_err(|_| wrong("is not an Ed25519 key"))?;
        let public = <[u8; 32]>::try_from(pair.public_key().as_ref());
        let verifier = VerifierKey::new(name, public.map_err(|_| wrong("has no public key"))?);
        Ok(Self { pair, verifier })
    }

    /// Returns the private key with the given seed of 32 random bytes, as the text of a PEM file.
    /// OpenSSL can read this file, too.
    pub fn pem(seed: &[u8; 32]) -> SecretString {
        let der: Vec<u8> = PKCS8_BEFORE_SEED.iter().chain(seed).copied().collect();
        let body = STANDARD.encode(der);
        SecretString::from(format!(
            "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
        ))
    }

    /// The public key that verifies this key's signatures.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a text and returns the note. The text must end with a line feed.
    pub fn sign(&self, text: &str) -> String {
        format!("{text}\n{}", self.signature(text))
    }

    /// Signs a text and returns only the signature line.
    pub fn signature(&self, text: &str) -> String {
        let signature = self.pair.sign(text.as_bytes());
        let blob: Vec<u8> = self
            .verifier
            .hash
            .iter()
            .chain(signature.as_ref())
            .copied()
            .collect();
        format!("— {} {}\n", self.verifier.name, STANDARD.encode(blob))
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.verifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Go's `golang.org/x/mod/sumdb/note`.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_SEED: &str = "FALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const GO_NOTE: &str = include_str!("../../../tests/vectors/go-note.txt");

    fn signer() -> NoteSigner {
        NoteSigner::read(
            "acme/journal",
            &SecretString::from(STANDARD.encode([7; 32])),
        )
        .unwrap()
    }

    #[test]
    fn the_note_of_the_go_checksum_database_s_library_is_read_and_made() {
        let key: VerifierKey = GO_KEY.parse().unwrap();
        assert_eq!(key.to_string(), GO_KEY);
        assert_eq!(key.open(GO_NOTE).unwrap(), GO_TEXT);
        // Go writes a private key as base64 of the type byte and the seed.
        let typed = STANDARD.decode(format!("AYEK{GO_SEED}")).unwrap();
        let signer = NoteSigner::read(
            "PeterNeumann",
            &SecretString::from(STANDARD.encode(&typed[1..])),
        )
        .unwrap();
        assert_eq!(signer.verifier(), &key);
        assert_eq!(signer.sign(GO_TEXT), GO_NOTE);
    }

    #[test]
    fn every_flipped_bit_of_a_note_is_refused() {
        let key: VerifierKey = GO_KEY.parse().unwrap();
        for index in 0..GO_NOTE.len() {
            for bit in 0..8 {
                let mut bytes = GO_NOTE.as_bytes().to_vec();
                bytes[index] ^= 1 << bit;
                let Ok(text) = String::from_utf8(bytes) else {
                    continue;
                };
                assert!(key.open(&text).is_err(), "byte {index}, bit {bit}");
            }
        }
    }

    #[test]
    fn other_signatures_are_passed_over_but_never_believed() {
        let (ours, text) = (signer(), "a\nb\n");
        let note = ours.sign(text);
        let cosigned = note.replace("\n— ", "\n— witness AAAAAGk=\n— ");
        assert_eq!(ours.verifier().open(&cosigned).unwrap(), text);
        let stranger = NoteSigner::read(
            "acme/journal",
            &SecretString::from(STANDARD.encode([8; 32])),
        )
        .unwrap();
        assert!(matches!(
            stranger.verifier().open(&note),
            Err(NoteFlaw::Unsigned(_))
        ));
        for bad in [
            "",
            "\n\n",
            "a\n\n",
            "a\n\n— x",
            "a\n\n— x y\n",
            "a\n\nx\n",
            "a\n\n— x AA==\n",
        ] {
            assert!(
                matches!(ours.verifier().open(bad), Err(NoteFlaw::Malformed(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn keys_are_read_in_three_forms_and_never_shown() {
        let pem = NoteSigner::pem(&[7; 32]);
        let inner: String = pem
            .expose_secret()
            .lines()
            .filter(|l| !l.starts_with('-'))
            .collect();
        for form in [pem, SecretString::from(inner)] {
            assert_eq!(
                NoteSigner::read("acme/journal", &form).unwrap().verifier(),
                signer().verifier()
            );
        }
        for bad in ["", "hunter2-hunter2", "AAAA", &STANDARD.encode([1; 48])] {
            let problem = NoteSigner::read("a", &SecretString::from(bad)).unwrap_err();
            assert!(bad.is_empty() || !format!("{problem:?}").contains(bad));
        }
        assert!(!format!("{:?}", signer()).contains(&STANDARD.encode([7; 32])));
        for name in ["", "a b", "a+b", "ä", &"x".repeat(101)] {
            assert!(NoteSigner::read(name, &SecretString::from(STANDARD.encode([7; 32]))).is_err());
        }
    }

    #[test]
    fn a_miscopied_verifier_key_is_refused() {
        let good = signer().verifier().to_string();
        assert_eq!(good.parse::<VerifierKey>().unwrap(), *signer().verifier());
        for bad in [
            "",
            "a",
            "a+b",
            &good[1..],
            &good[..good.len() - 1],
            &good.replace("acme", "acne"),
        ] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
    }
}
