//! Chance that is the same in each run.

/// Numbers from 0 to 1 that are the same in each run.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The numbers of the `number`th thing that these words name.
    pub fn of(seed: u64, words: &[&str], number: u64) -> Self {
        let words = words.iter().flat_map(|word| word.bytes());
        Self(words.fold(mixed(seed), |bits, byte| mixed(bits ^ u64::from(byte))) ^ mixed(number))
    }

    pub fn draw(&mut self) -> f64 {
        self.0 = mixed(self.0);
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let unit = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }
}

/// splitmix64: <https://prng.di.unimi.it/splitmix64.c>
fn mixed(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
