//! Hashes a second of the bare scrypt crate, at the default cost, on as many threads as are asked for.
//!
//! `cargo run --profile measure -p veritable-domain --example hashes -- THREADS SECONDS`
#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]

use std::time::{Duration, Instant};

/// As the settings have it (N 16384, r 8, p 1) and as it is stored.
const COST: (u8, u32, u32, usize) = (14, 8, 1, 64);

fn main() {
    let mut asked = std::env::args().skip(1).map(|arg| arg.parse::<f64>().expect("a number"));
    let (threads, seconds) = (asked.next().unwrap_or(2.0) as usize, asked.next().unwrap_or(5.0));
    let (log_n, r, p, bytes) = COST;
    let begun = Instant::now();
    let until = begun + Duration::from_secs_f64(seconds);
    let work = move || {
        let params = scrypt::Params::new_with_output_len(log_n, r, p, bytes).expect("sound parameters");
        let (mut hash, mut count) = (vec![0; bytes], 0_u32);
        while Instant::now() < until {
            scrypt::scrypt(b"several unusual words", &[7; 16], &params, &mut hash).expect("room for a hash");
            count += 1;
        }
        count
    };
    let running: Vec<_> = (0..threads).map(|_| std::thread::spawn(work)).collect();
    let count: u32 = running.into_iter().map(|thread| thread.join().expect("no panic")).sum();
    println!("{:.2}", f64::from(count) / begun.elapsed().as_secs_f64());
}
