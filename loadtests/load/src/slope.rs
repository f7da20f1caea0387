//! Whether something grows: the line that fits a series of measurements best.

/// The slope of the least-squares line through `points` (x, y), in y a unit of x; `None` for less than two
/// different x.
pub fn of(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|p| p.0), mean(|p| p.1));
    let spread: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let together: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    (spread > 0.0).then(|| together / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope_and_noise_around_one_nearly() {
        let line: Vec<_> = (0..20).map(|x| (f64::from(x), 3.0 - 0.5 * f64::from(x))).collect();
        assert!((of(&line).unwrap() + 0.5).abs() < 1e-12);
        // Up and down by one around a slope of 2.
        let noisy: Vec<_> = (0..100)
            .map(|x| (f64::from(x), 2.0 * f64::from(x) + if x % 2 == 0 { 1.0 } else { -1.0 }))
            .collect();
        assert!((of(&noisy).unwrap() - 2.0).abs() < 0.01);
        let level = [(0.0, 4.0), (1.0, 4.0), (5.0, 4.0)];
        assert_eq!(of(&level), Some(0.0));
    }

    #[test]
    fn one_moment_has_no_slope() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(1.0, 2.0)]), None);
        assert_eq!(of(&[(1.0, 2.0), (1.0, 9.0)]), None);
    }
}
