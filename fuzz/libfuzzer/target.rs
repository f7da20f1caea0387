//! The target that is called as the binary is, driven by libFuzzer.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use veritable_fuzz::{Target, target};

static TARGET: LazyLock<Target> = LazyLock::new(|| target(env!("CARGO_BIN_NAME")));

fuzz_target!(|data: &[u8]| (TARGET.check)(data));
