//! Numbers with what they count.

/// `1 like`, `18,049 posts`: templates write every count by this, so that none says "1 likes".
pub(crate) fn count(number: &i64, one: &str, many: &str) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if *number < 0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + " " + if *number == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn one_is_singular_and_thousands_are_grouped() {
        for (number, expected) in [
            (0, "0 replies"),
            (1, "1 reply"),
            (2, "2 replies"),
            (999, "999 replies"),
            (18_049, "18,049 replies"),
            (1_000_000, "1,000,000 replies"),
            (i64::MIN, "-9,223,372,036,854,775,808 replies"),
        ] {
            assert_eq!(count(&number, "reply", "replies"), expected);
        }
    }
}
