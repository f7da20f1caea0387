//! The configuration file, and a variable of the environment.

use std::collections::BTreeMap;
use std::path::Path;

use veritable_config::load::{Overrides, combine};
use veritable_config::{Config, KEYS};

pub(crate) fn check(data: &[u8]) {
    // The last line is a variable's value, of the key that its first byte says.
    let (file, variable) = match data.iter().rposition(|&byte| byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[][..]),
    };
    let Ok(file) = std::str::from_utf8(file) else { return };
    let mut environment = BTreeMap::new();
    if let Some((&which, value)) = variable.split_first() {
        let key = &KEYS[usize::from(which) % KEYS.len()];
        environment.insert(key.variable(), String::from_utf8_lossy(value).into_owned());
    }
    let overrides = Overrides::default();
    let path = Path::new("veritable.toml");
    match combine(Config::default(), Some((path, file)), &environment, &overrides) {
        // What was taken is taken again: nothing depends on what was there before.
        Ok(config) => {
            let again = combine(config.clone(), Some((path, file)), &environment, &overrides);
            assert_eq!(again.as_ref(), Ok(&config));
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.contains('\n'), "not one line: {said:?}");
        }
    }
}
