//! Sequences of keys: read from files, or made with fixed seeds.

use std::collections::{HashMap, HashSet};

/// A trace and how many different keys it has.
pub(crate) struct Trace {
    pub(crate) name: String,
    pub(crate) keys: Vec<u64>,
    pub(crate) distinct: usize,
}

impl Trace {
    fn new(name: &str, keys: Vec<u64>) -> Self {
        let distinct = keys.iter().collect::<HashSet<_>>().len();
        Self { name: name.to_owned(), keys, distinct }
    }
}

/// Reads a file of one key a line; a key is a whole number, or any first word.
pub(crate) fn read(path: &str) -> std::io::Result<Trace> {
    let text = std::fs::read_to_string(path)?;
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    let words = text.lines().filter_map(|line| line.split_whitespace().next()).filter(|word| *word != "*");
    let keys = words
        .map(|word| {
            let next = numbers.len() as u64;
            *numbers.entry(word).or_insert(next)
        })
        .collect();
    let name = path.rsplit('/').next().unwrap_or(path);
    Ok(Trace::new(name.split('.').next().unwrap_or(name), keys))
}

/// splitmix64.
struct Noise(u64);

impl Noise {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Ranks by Zipf's law, by the inverse of a table of sums.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let sums: Vec<f64> = (1..=ranks)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        Self(sums)
    }

    fn draw(&self, noise: &mut Noise) -> usize {
        let wanted = noise.share() * self.0.last().copied().unwrap_or(0.0);
        self.0.partition_point(|sum| *sum <= wanted)
    }
}

/// The traces that need no file.
pub(crate) fn made() -> Vec<Trace> {
    const REQUESTS: usize = 1_000_000;
    const KEYS: usize = 100_000;
    let mut traces = Vec::new();
    for exponent in [0.7, 0.99, 1.2] {
        let (zipf, mut noise) = (Zipf::new(KEYS, exponent), Noise(1));
        let keys = (0..REQUESTS).map(|_| zipf.draw(&mut noise) as u64).collect();
        traces.push(Trace::new(&format!("zipf {exponent}"), keys));
    }
    let (zipf, mut noise) = (Zipf::new(KEYS, 0.99), Noise(2));
    // A crawler reads everything once while people read what they like.
    let crawled = (0..REQUESTS as u64).map(|at| {
        let rank = zipf.draw(&mut noise) as u64;
        if at % 3 == 0 { KEYS as u64 + at } else { rank }
    });
    traces.push(Trace::new("zipf 0.99 + crawler", crawled.collect()));
    // What is popular changes.
    let mut noise = Noise(3);
    let shifting =
        (0..REQUESTS as u64).map(|at| (zipf.draw(&mut noise) as u64 + at / 2_000 * 50) % KEYS as u64);
    traces.push(Trace::new("zipf 0.99, shifting", shifting.collect()));
    // A forum: mostly the newest topics, some of the old ones; a new topic now and then.
    let (recent, old, mut noise) = (Zipf::new(20_000, 1.05), Zipf::new(20_000, 0.8), Noise(4));
    let forum = (0..REQUESTS as u64).map(|at| {
        let newest = 20_000 + at / 100;
        if noise.share() < 0.8 {
            newest - recent.draw(&mut noise) as u64
        } else {
            old.draw(&mut noise) as u64
        }
    });
    traces.push(Trace::new("community", forum.collect()));
    traces
}
