//! Ids and choices, from a seed: the same calls get the same ids in each run. Not random in any sense that protects something.

/// Makes ids.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    made: u64,
}

const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

impl Ids {
    pub(crate) fn new(seed: u64) -> Ids {
        Ids { seed, made: 0 }
    }

    fn draw(&mut self) -> u64 {
        self.made = self.made.wrapping_add(1);
        mix(self.seed, self.made)
    }

    fn letters(&mut self, alphabet: &[u8], length: usize) -> String {
        let mut text = String::with_capacity(length);
        let mut bits = 0;
        for position in 0..length {
            if position % 8 == 0 {
                bits = self.draw();
            }
            let count = alphabet.len() as u64;
            let letter = alphabet.get((bits % count) as usize).copied().unwrap_or(b'A');
            text.push(char::from(letter));
            bits /= count;
        }
        text
    }

    /// Capitals and digits, as PayPal's ids are.
    pub(crate) fn upper(&mut self, length: usize) -> String {
        self.letters(UPPER, length)
    }

    /// A prefix and 24 letters and digits, as Stripe's ids are.
    pub(crate) fn prefixed(&mut self, prefix: &str) -> String {
        format!("{prefix}_{}", self.letters(MIXED, 24))
    }

    /// A number of eight digits, as Wise's ids are. Never the same twice.
    pub(crate) fn number(&mut self) -> i64 {
        self.made = self.made.wrapping_add(1);
        50_000_000 + i64::try_from(self.made).unwrap_or(0)
    }

    /// A UUID of version 4 by its form.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.draw(), self.draw());
        let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xfff);
        let (d, e) = ((low >> 48) & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
        format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
    }
}

/// A number that depends on the seed and the place only (SplitMix64).
pub(crate) fn mix(seed: u64, place: u64) -> u64 {
    let mut z = seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
