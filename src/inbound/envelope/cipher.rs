//! Encrypts and decrypts texts with AES-256-CBC as the approval systems do. The encrypted text is
//! in base64. Decryption compares every byte of the padding, and computes no length that can
//! overflow.
//!
//! Decryption does not authenticate the text. The caller checks the signature first, except for
//! Feishu's challenges, which have none.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};

use crate::inbound::refusal::Refusal;

/// The size of a block, and of the initialization vector, in bytes.
const BLOCK: usize = 16;
/// DingTalk and WeCom pad to a multiple of this size.
const WIDE_BLOCK: usize = 32;
/// The offset of the text: 16 random bytes and 4 bytes of length come first.
const TEXT_AT: usize = 20;

/// Decrypts a text from Feishu, which begins with the initialization vector.
pub(super) fn open(key: &[u8], text: &str) -> Result<Vec<u8>, Refusal> {
    let bytes = decoded(text)?;
    let parts = bytes.split_at_checked(BLOCK);
    let (iv, cipher) = parts.ok_or_else(|| refused("it is shorter than one block"))?;
    decrypt(key, iv, cipher, BLOCK)
}

/// Decrypts a text from DingTalk or WeCom. Returns the plain text and the receiver. The
/// initialization vector is the beginning of the key. The decrypted bytes are random bytes, the
/// length of the plain text, the plain text, and the receiver.
pub(super) fn open_addressed(key: &[u8], text: &str) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    let plain = decrypt(key, iv_of(key), &decoded(text)?, WIDE_BLOCK)?;
    let short = || refused("it is shorter than its own header");
    let (header, rest) = plain.split_at_checked(TEXT_AT).ok_or_else(short)?;
    let length = header.last_chunk().ok_or_else(short)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let parts = rest.split_at_checked(length);
    let (text, receiver) =
        parts.ok_or_else(|| refused("its length field points beyond its end"))?;
    Ok((text.to_vec(), receiver.to_vec()))
}

/// Encrypts a text so that [`open_addressed`] can decrypt it. Returns `None` if the key has the
/// wrong size.
pub(super) fn seal_addressed(
    key: &[u8],
    random: &[u8; BLOCK],
    text: &[u8],
    receiver: &str,
) -> Option<String> {
    let length = u32::try_from(text.len()).ok()?.to_be_bytes();
    let bytes = [random, &length[..], text, receiver.as_bytes()].concat();
    let cipher = encrypt(key, iv_of(key), bytes, WIDE_BLOCK)?;
    Some(STANDARD.encode(cipher))
}

/// Encrypts a text so that [`open`] can decrypt it. Returns `None` if the key has the wrong size.
pub(super) fn seal(key: &[u8], iv: &[u8; BLOCK], text: &[u8]) -> Option<String> {
    let cipher = encrypt(key, iv, text.to_vec(), BLOCK)?;
    Some(STANDARD.encode([iv, &cipher[..]].concat()))
}

fn encrypt(key: &[u8], iv: &[u8], mut bytes: Vec<u8>, block: usize) -> Option<Vec<u8>> {
    let padding = block - bytes.len() % block;
    let length = bytes.len() + padding;
    bytes.resize(length, u8::try_from(padding).ok()?);
    let encryptor = cbc::Encryptor::<Aes256>::new_from_slices(key, iv).ok()?;
    encryptor
        .encrypt_padded::<NoPadding>(&mut bytes, length)
        .ok()?;
    Some(bytes)
}

fn iv_of(key: &[u8]) -> &[u8] {
    key.get(..BLOCK).unwrap_or_default()
}

fn decoded(text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD
        .decode(text)
        .map_err(|_| refused("it is not base64"))
}

fn decrypt(key: &[u8], iv: &[u8], cipher: &[u8], max_padding: usize) -> Result<Vec<u8>, Refusal> {
    if cipher.is_empty() || !cipher.len().is_multiple_of(BLOCK) {
        return Err(refused("it is not a whole number of blocks"));
    }
    let mut bytes = cipher.to_vec();
    let decryptor = cbc::Decryptor::<Aes256>::new_from_slices(key, iv);
    let decryptor = decryptor.map_err(|_| refused("the key has the wrong size"))?;
    let plain = decryptor.decrypt_padded::<NoPadding>(&mut bytes);
    let length = plain
        .map_err(|_| refused("it cannot be decrypted"))?
        .len()
        .checked_sub(padding(&bytes, max_padding)?)
        .ok_or_else(bad_padding)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Returns the number of padding bytes, which is also the value of each padding byte. Compares all
/// padding bytes even after a difference, so that the duration does not show where they differ.
fn padding(plain: &[u8], max_padding: usize) -> Result<usize, Refusal> {
    let last = plain.last().copied().unwrap_or_default();
    let count = usize::from(last);
    let start = plain.len().checked_sub(count).ok_or_else(bad_padding)?;
    let padding = plain.get(start..).unwrap_or_default();
    let differing = padding.iter().fold(0, |all, byte| all | (byte ^ last));
    if (1..=max_padding).contains(&count) && differing == 0 {
        Ok(count)
    } else {
        Err(bad_padding())
    }
}

/// Almost every text that was encrypted with another key has a wrong padding. A mismatch makes the
/// program read secrets again that were replaced meanwhile.
fn bad_padding() -> Refusal {
    Refusal::mismatch("the padding of the encrypted text")
}

fn refused(why: &'static str) -> Refusal {
    Refusal::malformed("the encrypted text", why)
}
