//! A small mutator: makes inputs that resemble the seeds. The same seeds and the same number for
//! [`Dice`] produce the same inputs. Unlike cargo-fuzz, it does not measure coverage.

/// Texts that some parser treats in a special way.
const TOKENS: [&str; 40] = [
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "-0",
    "0.0",
    "1e999",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "\0",
    "\r\n",
    "\n",
    "\n\n",
    ",",
    ":",
    "=",
    "&",
    "%00",
    "%",
    "\"a\":1,\"a\":2",
    "[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
    "]]",
    "}}",
    "-----BEGIN ",
    "9223372036854775807",
    "9999-12-31T23:59:59Z",
    "2026-02-30",
    "ap-singapore",
    "img-",
    "lhbp-",
    "v1,",
    "sha256=",
    "— ",
    "..",
];

/// A xorshift64* generator, which is random enough to choose mutations.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Returns a number below `bound`, or 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        match bound {
            0 => 0,
            bound => (self.next() >> 16) as usize % bound,
        }
    }

    pub(crate) fn one<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// Returns a random seed after one to eight random changes.
pub(crate) fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    const MAX_BYTES: usize = 64 * 1024;
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    let mut input = dice.one(&seeds).to_vec();
    for _ in 0..=dice.below(8) {
        let at = dice.below(input.len() + 1);
        let end = at + dice.below((input.len() - at).min(64) + 1);
        match dice.below(8) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => input[at] = dice.below(256) as u8,
            2 => drop(input.drain(at..end)),
            3 => drop(input.splice(at..at, dice.one(&TOKENS).bytes())),
            4 => drop(input.splice(at..end, dice.one(&TOKENS).bytes())),
            5 => {
                let copy = input[at..end].to_vec();
                let to = dice.below(input.len() + 1);
                drop(input.splice(to..to, copy));
            }
            6 => {
                let other = dice.one(&seeds);
                let from = dice.below(other.len() + 1);
                let until = from + dice.below((other.len() - from).min(256) + 1);
                drop(input.splice(at..end, other[from..until].iter().copied()));
            }
            _ => input.truncate(at.max(1)),
        }
    }
    input.truncate(MAX_BYTES);
    input
}
