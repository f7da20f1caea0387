//! Who is asked for how often: Zipf's law, as in every community. The first is asked for most, the second half as
//! often, and the long tail now and then.

use rand::Rng;
use rand_distr::{Distribution, Zipf};

/// The exponent that fits pages of communities and wikis (Breslau et al., "Web Caching and Zipf-like Distributions",
/// INFOCOM 1999, finds 0.64 to 0.83 for caches of whole networks, and single sites lie higher); the benchmarks of
/// caches usually take this one.
pub const EXPONENT: f64 = 0.99;

/// Draws places in a list whose first is the most popular.
#[derive(Clone, Copy, Debug)]
pub struct Popularity {
    zipf: Option<Zipf<f64>>,
}

impl Popularity {
    /// Of a list of so many; of an empty one nothing can be drawn.
    pub fn of(count: usize) -> Popularity {
        Popularity { zipf: Zipf::new(count as f64, EXPONENT).ok() }
    }

    /// A place in `list`, which has as many entries as this was made of.
    pub fn pick<'l, T>(&self, list: &'l [T], random: &mut impl Rng) -> Option<&'l T> {
        let rank = self.zipf?.sample(random);
        // Ranks are whole numbers from 1 on.
        list.get(rank as usize - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn the_first_is_asked_for_twice_as_often_as_the_second_and_the_last_now_and_then() {
        let list: Vec<usize> = (0..100).collect();
        let popularity = Popularity::of(list.len());
        let mut random = SmallRng::seed_from_u64(7);
        let mut counts = [0_u32; 100];
        for _ in 0..200_000 {
            counts[*popularity.pick(&list, &mut random).unwrap()] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[1]);
        assert!((1.85..2.15).contains(&ratio), "2 to the 0.99, but {ratio}");
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        // The sum of 1/rank^0.99 for 100 is 5.31.
        assert!((0.17..0.21).contains(&(f64::from(counts[0]) / 200_000.0)), "{}", counts[0]);
    }

    #[test]
    fn nothing_can_be_drawn_of_nothing() {
        let mut random = SmallRng::seed_from_u64(7);
        assert_eq!(Popularity::of(0).pick(&[] as &[u8], &mut random), None);
        assert_eq!(Popularity::of(1).pick(&[5], &mut random), Some(&5));
    }
}
