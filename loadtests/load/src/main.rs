//! See the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    veritable_load::main(std::env::args_os(), &mut std::io::stdout()).into()
}
